//! The way to the chair, for whoever has something for all shards.

use std::sync::Arc;

use suanpan_core::Rejection;

use crate::answer::Asker;
use crate::batch::Completed;
use crate::chair::{MOTIONS_MAX, answer_what_is_left};
use crate::gate::Gate;
use crate::motion::{Motion, What};
use crate::ports::Ports;
use crate::queue::{Pushed, Queue};

/// Where what concerns all shards is brought before them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Proposals {
    pub(crate) motions: Arc<Queue<Motion>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) ports: Arc<Ports>,
}

impl Proposals {
    /// Brings a motion before all shards and waits until what came of it is durable.
    pub(crate) fn bring(&self, what: What) -> Result<Completed, Rejection> {
        let (caller, answer) = Asker::new();
        self.propose(Motion { what, token: 0, caller })?;
        answer.wait().ok_or(Rejection::Unknown)
    }

    /// Hands a motion to the chair, which answers it; never waits.
    pub(crate) fn propose(&self, motion: Motion) -> Result<(), Rejection> {
        if !self.gate.enter(1, MOTIONS_MAX) {
            return Err(Rejection::Overloaded);
        }
        match self.motions.push(motion) {
            Ok(Pushed::InTime) => Ok(()),
            Ok(Pushed::Late) => {
                answer_what_is_left(&self.motions, &self.gate, self.ports.shards());
                Ok(())
            }
            Err(_) => {
                self.gate.leave(1);
                Err(if self.ports.failure().is_some() { Rejection::Unknown } else { Rejection::Overloaded })
            }
        }
    }
}
