//! A load run over HTTP: set up, play, check the books.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use suanpan_core::{ChannelId, Payment};

use super::HttpError;
use super::books::{self, CHANNEL};
use super::lines::Lines;
use super::order::{self, Template};
use crate::error::LoadError;
use crate::line::{LATENCY_MAX_US, Pace, Quota, latencies};
use crate::plan::LoadPlan;
use crate::progress::Progress;
use crate::report::Report;
use crate::run::compare;
use crate::trader::{Item, Trader};

/// Plays a plan to its end, on this thread.
pub(crate) fn run(plan: &LoadPlan) -> Result<Report, LoadError> {
    let mut lines = Lines::open(&plan.address, plan.connections)?;
    books::put(&mut lines, plan)?;
    let before = books::look(&mut lines, plan)?;
    let play = Play::new(plan, &lines);
    let Played { trader, latency_us, took } = play.run(&mut lines)?;
    if let Some(first) = trader.tally.first_wrong {
        return Err(LoadError::Wrong { count: trader.tally.wrong, first });
    }
    let after = books::look(&mut lines, plan)?;
    compare(plan, &before.pending, &after.pending, |place| i128::from(trader.pending[place]))?;
    Ok(Report::new(plan, &trader.tally, took, latency_us, Some((before.as_of, after.as_of))))
}

/// A run in progress.
struct Play {
    template: Template,
    trader: Trader,
    /// What each line waits for.
    flying: Vec<Option<Flying>>,
    idle: VecDeque<usize>,
    quota: Quota,
    pace: Option<Pace>,
    begin: Instant,
    sent: u64,
    answered: u64,
    latency_us: Histogram<u64>,
    last_answer: Instant,
    progress: Progress,
}

/// A request that was sent.
struct Flying {
    begun: Instant,
    payment: Payment,
    item: Item,
}

/// A run that has come to its end.
struct Played {
    trader: Trader,
    latency_us: Histogram<u64>,
    took: Duration,
}

impl Play {
    fn new(plan: &LoadPlan, lines: &Lines) -> Self {
        let begin = Instant::now();
        Self {
            template: Template::new(&plan.address, CHANNEL),
            // Its channel goes by its name.
            trader: Trader::new(plan, ChannelId(0), 0),
            flying: (0..lines.count()).map(|_| None).collect(),
            idle: (0..lines.count()).collect(),
            quota: Quota::new(plan, begin),
            pace: plan.rate.map(|rate| Pace::new(plan, rate)),
            begin,
            sent: 0,
            answered: 0,
            latency_us: latencies(),
            last_answer: begin,
            progress: Progress::new(plan, begin),
        }
    }

    fn run(mut self, lines: &mut Lines) -> Result<Played, LoadError> {
        loop {
            let alarm = self.send(lines)?;
            if self.answered == self.sent && alarm.is_none() {
                break;
            }
            for place in 0..self.wait(lines, alarm)? {
                self.receive(lines, lines.ready(place))?;
            }
            self.progress.show(self.quota.left());
        }
        self.progress.finish();
        let took = self.last_answer.saturating_duration_since(self.begin);
        // An open loop ends when its last interval does, not with the answer to its last request.
        let took = self.pace.map_or(took, |pace| took.max(pace.lasts()));
        Ok(Played { trader: self.trader, latency_us: self.latency_us, took })
    }

    /// Sends over the lines that are idle, as many as are due; when the next is, if a line waits for it.
    fn send(&mut self, lines: &mut Lines) -> Result<Option<Instant>, HttpError> {
        while let Some(&line) = self.idle.front() {
            let Some(pace) = self.pace else {
                if self.quota.take(1) == 0 {
                    break;
                }
                self.send_one(lines, line, Instant::now())?;
                continue;
            };
            let Some(intended) = pace.intended(self.sent, self.begin) else { break };
            if intended > Instant::now() {
                return Ok(Some(intended));
            }
            self.quota.take(1);
            self.send_one(lines, line, intended)?;
        }
        Ok(None)
    }

    fn send_one(&mut self, lines: &mut Lines, line: usize, begun: Instant) -> Result<(), HttpError> {
        let (payment, item) = self.trader.payment();
        lines.send(line, |bytes| self.template.write(&payment, bytes))?;
        self.flying[line] = Some(Flying { begun, payment, item });
        self.idle.pop_front();
        self.sent += 1;
        Ok(())
    }

    fn wait(&self, lines: &mut Lines, alarm: Option<Instant>) -> Result<usize, HttpError> {
        match lines.wait(alarm) {
            // It owes nothing: a slow pace is ours.
            Err(HttpError::Silent { .. }) if self.answered == self.sent => Ok(0),
            waited => waited,
        }
    }

    fn receive(&mut self, lines: &mut Lines, line: usize) -> Result<(), HttpError> {
        let Some(answer) = lines.receive(line)? else { return Ok(()) };
        let now = Instant::now();
        let Flying { begun, payment, item } = self.flying[line].take().ok_or(HttpError::Unasked)?;
        let took_us = u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(took_us.clamp(1, LATENCY_MAX_US));
        match order::read(&payment, &answer) {
            Ok(reply) => self.trader.check_one(&item, &reply),
            Err(what) => self.trader.wrong(what),
        }
        self.answered += 1;
        self.last_answer = now;
        self.idle.push_back(line);
        Ok(())
    }
}
