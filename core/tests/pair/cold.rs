//! The same commands to a ledger whose orders leave for a store as soon as they may, and come back when they are asked for;
//! now and then it is made again from its image. Nobody must see that.

use super::*;

pub(super) struct Twin {
    ledger: Ledger,
    /// Snapshot after so many commands, and a restart after so many snapshots.
    every: u32,
    commands: u32,
    orders: BTreeMap<(MerchantId, Number), Vec<u8>>,
    numbers: BTreeMap<(ColdKind, MerchantId, Number), Number>,
    entries: BTreeMap<(MerchantId, u64), Vec<u8>>,
    /// How often something left, and came back.
    pub(super) left: u64,
    pub(super) back: u64,
}

impl Twin {
    pub(super) fn new() -> Self {
        Self::of(Ledger::new(2, SUNDAY))
    }

    /// From a ledger that has nothing in a store.
    pub(super) fn of(ledger: Ledger) -> Self {
        Self {
            ledger,
            every: 5,
            commands: 0,
            orders: BTreeMap::new(),
            numbers: BTreeMap::new(),
            entries: BTreeMap::new(),
            left: 0,
            back: 0,
        }
    }

    pub(super) fn apply(&mut self, command: &Command, now: Timestamp) -> Applied {
        let key = self.ledger.touch(command);
        self.bring_back(|ledger| ledger.wanted(command, key));
        let applied = ask(&mut self.ledger, command, now, &mut ());
        self.ledger.end_request();
        self.commands += 1;
        if self.commands.is_multiple_of(self.every) {
            self.depart(now);
        }
        applied
    }

    pub(super) fn answer(&mut self, query: &Query, now: Timestamp) -> Reply {
        self.bring_back(|ledger| ledger.wanted_to_look(query));
        let reply = self.ledger.answer(query, now);
        self.ledger.end_request();
        reply
    }

    pub(super) fn digest(&self) -> u128 {
        self.ledger.digest()
    }

    fn bring_back(&mut self, wanted: impl Fn(&Ledger) -> Option<ColdKey>) {
        while let Some(key) = wanted(&self.ledger) {
            let found = match key {
                ColdKey::Number(ColdKind::Order, merchant, number) => self.orders.get(&(merchant, number)),
                ColdKey::Number(kind, merchant, number) => {
                    let order_no = self.numbers.get(&(kind, merchant, number));
                    order_no.and_then(|order_no| self.orders.get(&(merchant, *order_no)))
                }
                ColdKey::Entries(merchant, after) => {
                    let behind = (merchant, after + 1)..=(merchant, u64::MAX);
                    Some(self.entries.range(behind).next().expect("entries that left are in the store").1)
                }
            };
            match found {
                Some(bytes) => {
                    self.ledger.bring_back(key, &bytes.clone()).unwrap();
                    self.back += 1;
                }
                None => self.ledger.not_there(key),
            }
        }
    }

    /// What may leave does, after some more commands than the snapshot has seen: that is what a shard does.
    fn depart(&mut self, now: Timestamp) {
        let mut was = self.ledger.snapshot();
        let gone = was.departures(Date(self.ledger.date().0 - 1), now);
        was.write_departures(
            &gone,
            0..gone.len(),
            |block| {
                self.entries.insert((block.merchant, block.last_seq), block.bytes);
            },
            |order| {
                for (kind, number) in order.numbers {
                    self.numbers.insert((kind, order.merchant, number), order.order_no);
                }
                self.orders.insert((order.merchant, order.order_no), order.bytes);
            },
        );
        let digest = self.ledger.digest();
        let rest = was.without(&gone, &mut || ());
        assert_eq!(
            (was.digest(&mut || ()), rest.digest(&mut || ())),
            (digest, digest),
            "what leaves is still counted"
        );
        // In pieces, as a shard does it.
        let half = gone.len() / 2;
        let out =
            self.ledger.depart(&was, &gone, 0..half) + self.ledger.depart(&was, &gone, half..gone.len());
        assert_eq!(out, gone.len(), "nothing changed meanwhile");
        self.left += out as u64;
        assert_eq!(self.ledger.digest(), digest, "leaving is nothing that a digest sees");
        if (self.commands / self.every).is_multiple_of(4) {
            self.restart(&rest);
        }
    }

    /// Made again from its image.
    fn restart(&mut self, image: &Snapshot) {
        let mut restore = Restore::alone(image.seed());
        restore.begin(0, 1).unwrap();
        write_image(image, &mut |block| restore.take(&block).unwrap());
        restore.end().unwrap();
        let again = restore.finish().unwrap();
        assert_eq!(again.digest(), self.ledger.digest(), "an image is all there is");
        self.ledger = again;
    }
}
