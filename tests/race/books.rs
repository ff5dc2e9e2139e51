//! The books at a quiet point, when nothing is on its way: orders against their refunds, voids and splits, both against
//! the entries, and these against the balances and the trial balance.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::caller::Caller;
use crate::facts::{Kind as Fact, items, number, signed, unbalanced, word};
use crate::shop::{self, Kind, Order, of_merchant};

/// An entry as it is listed.
#[derive(Clone, PartialEq, Debug)]
struct Entry {
    seq: u64,
    group: u64,
    subject: u64,
    from: String,
    to: String,
    amount: i128,
    order_no: Option<String>,
    refund_no: Option<String>,
    reference: Option<String>,
    reversal: bool,
}

/// From, to, number, amount.
type Transfer = (String, String, Option<String>, i128);

/// What was read of the entries so far, which only ever grow.
#[derive(Default)]
pub(crate) struct Books {
    merchants: HashMap<u64, List>,
    /// Accounts that are no merchant's own, summed over all lists.
    shared: BTreeMap<String, i128>,
    /// What was booked for each order.
    orders: HashMap<(u64, String), Booked>,
    /// Transfers, as givers and as takers list them.
    transfers: [Vec<Transfer>; 2],
}

/// One merchant's list.
#[derive(Default)]
struct List {
    last: Option<Entry>,
    /// Its own accounts.
    balances: BTreeMap<String, i128>,
    /// How often each numbered movement was booked.
    numbered: HashMap<(u64, String, String, bool), u64>,
}

/// What was booked for one order.
#[derive(Default)]
struct Booked {
    /// Forward less reversed, by subject.
    sums: BTreeMap<u64, i128>,
    /// What the order holds.
    held: i128,
    /// How often each refund gave cash back, and how often that was reversed.
    refunds: HashMap<String, (u64, u64)>,
    /// How often the payment was reversed and booked again for each void.
    voids: HashMap<String, (u64, u64)>,
}

impl Booked {
    fn sum(&self, subject: u64) -> i128 {
        self.sums.get(&subject).copied().unwrap_or_default()
    }
}

impl Books {
    /// Reads what is new, and checks all books, and these orders.
    pub(crate) fn check(&mut self, caller: &mut Caller<'_>, orders: &[Order]) {
        for merchant in shop::merchants() {
            self.read(caller, merchant);
        }
        for merchant in shop::merchants() {
            self.check_balances(caller, merchant);
        }
        self.check_trial_balance(caller);
        let [given, taken] = &mut self.transfers;
        given.sort();
        taken.sort();
        assert!(given == taken, "a transfer is not in both lists:\n{given:?}\n{taken:?}");
        for order in orders.iter().filter(|order| order.kind != Kind::Money) {
            self.check_order(caller, order);
        }
    }

    /// Reads a merchant's list to its end.
    fn read(&mut self, caller: &mut Caller<'_>, merchant: u64) {
        let path = of_merchant(merchant, "entries");
        // From the last that is known: it must be there still.
        let mut list = self.merchants.remove(&merchant).unwrap_or_default();
        let mut after = list.last.as_ref().map_or(0, |last| last.seq - 1);
        let mut known = list.last.clone();
        loop {
            // A page size that leaves groups in pieces.
            let body = caller.find(&format!("{path}?limit=97&starting_after={after}")).expect("a page");
            let page: Vec<Entry> = items(&body).map(Entry::new).collect();
            for entry in &page {
                after = entry.seq;
                if let Some(known) = known.take() {
                    assert_eq!(known, *entry, "of {merchant}");
                    continue;
                }
                self.book(merchant, &mut list, entry);
            }
            if body["has_more"] == false {
                break;
            }
            assert!(!page.is_empty(), "{path} has more and shows none");
        }
        assert_eq!(known, None, "{path} lost its end");
        list.check_signs(merchant);
        self.merchants.insert(merchant, list);
    }

    fn book(&mut self, merchant: u64, list: &mut List, entry: &Entry) {
        let (seq, group) = list.last.as_ref().map_or((0, 0), |last| (last.seq, last.group));
        assert!(entry.seq == seq + 1 && (group..=group + 1).contains(&entry.group), "{entry:?} after {seq}");
        assert!(entry.amount > 0 && entry.from != entry.to, "{entry:?}");
        if entry.group > group {
            list.check_signs(merchant);
        }
        list.last = Some(entry.clone());
        let own = format!("merchant:{merchant}:");
        for (account, amount) in [(&entry.from, -entry.amount), (&entry.to, entry.amount)] {
            if let Some(account) = account.strip_prefix(&own) {
                *list.balances.entry(account.to_owned()).or_default() += amount;
            } else if account == "in_transit" {
                // The other end of a sweep: out of what its owner had accrued.
                let accrued = if merchant == shop::PLATFORM { "platform" } else { "accrued" };
                *self.shared.entry(format!("{accrued}:{merchant}")).or_default() += amount;
            } else if !account.starts_with("merchant:") {
                *self.shared.entry(account.clone()).or_default() += amount;
            }
        }
        if entry.subject == 96 {
            let side = usize::from(!entry.from.starts_with(&own));
            let transfer = (entry.from.clone(), entry.to.clone(), entry.reference.clone(), entry.amount);
            self.transfers[side].push(transfer);
        }
        list.count(entry);
        if let Some(order_no) = &entry.order_no {
            self.orders.entry((merchant, order_no.clone())).or_default().book(entry);
        }
    }

    /// What is told of balances is what the entries come to.
    fn check_balances(&self, caller: &mut Caller<'_>, merchant: u64) {
        let told = caller.find(&of_merchant(merchant, "balances")).expect("balances");
        let list = &self.merchants[&merchant];
        for account in ["pending", "held", "available", "frozen", "payout_transit"] {
            let booked = list.balances.get(account).copied().unwrap_or_default();
            assert_eq!(signed(&told, account), booked, "{account} of {merchant}, told and booked: {told}");
        }
        let shared = |kind: &str| self.shared.get(&format!("{kind}:{merchant}")).copied().unwrap_or_default();
        assert_eq!(
            signed(&told, "accrued"),
            shared("accrued") + shared("platform"),
            "accrued of {merchant}: {told}"
        );
    }

    fn check_trial_balance(&self, caller: &mut Caller<'_>) {
        let told = caller.find("/v1/trial-balance").expect("a trial balance");
        assert_eq!(unbalanced(&told), None, "{told}");
        let mut booked: BTreeMap<String, i128> = BTreeMap::new();
        let own = self.merchants.values().flat_map(|list| &list.balances);
        for (account, balance) in own.map(|(account, balance)| (account.as_str(), balance)) {
            *booked.entry(format!("merchants:{account}")).or_default() += balance;
        }
        for (account, balance) in &self.shared {
            let of_many = ["accrued", "fee_receivable"].into_iter().find(|kind| account.starts_with(kind));
            let line = of_many.map_or_else(|| account.clone(), |kind| format!("merchants:{kind}"));
            *booked.entry(line).or_default() += balance;
        }
        for currency in told["currencies"].as_array().expect("currencies") {
            for line in currency["accounts"].as_array().expect("accounts") {
                let of_entries = booked.remove(word(line, "account")).unwrap_or_default();
                assert_eq!(signed(line, "balance"), of_entries, "{line} against the entries");
            }
        }
        booked.retain(|_, balance| *balance != 0);
        assert!(booked.is_empty(), "not in the trial balance: {booked:?}");
    }

    /// One order against its refunds, voids and splits, and all of them against the entries.
    fn check_order(&self, caller: &mut Caller<'_>, order: &Order) {
        let Some(view) = caller.find(&order.path("")) else {
            let booked = self.orders.contains_key(&(order.merchant, order.no.clone()));
            assert!(!booked, "{} is in the books and nowhere else", order.no);
            return;
        };
        assert_eq!(Fact::Order.crooked(&view), None, "{view}");
        let nothing = Booked::default();
        let booked = self.orders.get(&(order.merchant, order.no.clone())).unwrap_or(&nothing);
        let refunds = refunds_of(caller, order);
        let refunds = Refunds::new(&refunds, booked);
        let voids = check_voids(caller, order, booked);
        refunds.check(order, &view, booked);

        let status = word(&view, "status");
        assert_eq!(status == "voided", voids == 1, "{voids} voids stand, and yet: {view}");
        assert!(voids == 0 || refunds.count == 0, "a void and a refund both won: {view}");
        let paid = !matches!(status, "created" | "closed" | "voided");
        let cash = if paid { i128::from(number(&view, "amount")) } else { 0 };
        assert_eq!(booked.sum(60), cash, "cash in the books of {view}");
        assert_eq!(signed(&view, "held"), booked.held, "held in the books of {view}");
        check_splits(caller, order, booked);
    }
}

impl List {
    /// No account of a merchant's own was ever below zero.
    fn check_signs(&self, merchant: u64) {
        let below = self.balances.iter().find(|(_, balance)| **balance < 0);
        assert!(below.is_none(), "{below:?} of {merchant} after {:?}", self.last);
    }

    /// A numbered movement is booked once. An order's payment and refunds are counted with the order.
    fn count(&mut self, entry: &Entry) {
        let Some(reference) = entry.reference.as_ref().filter(|_| entry.subject >= 80) else { return };
        let key = (entry.subject, format!("{}>{}", entry.from, entry.to), reference.clone(), entry.reversal);
        let times = self.numbered.entry(key).or_default();
        *times += 1;
        assert_eq!(*times, 1, "booked again: {entry:?}");
    }
}

impl Booked {
    fn book(&mut self, entry: &Entry) {
        let signed = if entry.reversal { -entry.amount } else { entry.amount };
        *self.sums.entry(entry.subject).or_default() += signed;
        self.held += entry.amount * i128::from(entry.to.ends_with(":held"));
        self.held -= entry.amount * i128::from(entry.from.ends_with(":held"));
        let count = |of: &mut HashMap<String, (u64, u64)>, no: &String| {
            let (forward, reversed) = of.entry(no.clone()).or_default();
            *(if entry.reversal { reversed } else { forward }) += 1;
        };
        match (entry.subject, &entry.refund_no, &entry.reference) {
            (74, Some(refund_no), _) => count(&mut self.refunds, refund_no),
            (62, _, Some(void_no)) => count(&mut self.voids, void_no),
            _ => {}
        }
    }
}

impl Entry {
    fn new(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Self {
            seq: number(body, "seq"),
            group: number(body, "group"),
            subject: number(body, "subject"),
            from: word(body, "from").to_owned(),
            to: word(body, "to").to_owned(),
            amount: signed(body, "amount"),
            order_no: text("order_no"),
            refund_no: text("refund_no"),
            reference: text("reference"),
            reversal: body["reversal"] == true,
        }
    }
}

/// The refunds of an order, over all pages.
fn refunds_of(caller: &mut Caller<'_>, order: &Order) -> Vec<Value> {
    let (mut refunds, mut after): (Vec<Value>, _) = (Vec::new(), String::new());
    loop {
        let body = caller.find(&order.path(&format!("/refunds?limit=7{after}"))).expect("an order's refunds");
        refunds.extend(items(&body).cloned());
        if body["has_more"] == false {
            return refunds;
        }
        let last = refunds.last().expect("a page with more behind it has some itself");
        after = format!("&starting_after={}", word(last, "refund_no"));
    }
}

/// An order's refunds that did not fail, added up.
#[derive(Default)]
struct Refunds {
    count: u64,
    amount: u64,
    succeeded: u64,
    cash: u64,
    discount: u64,
    fees: [u64; 2],
    cost: u64,
}

impl Refunds {
    /// Adds them up; each was booked as often as it says.
    fn new(refunds: &[Value], booked: &Booked) -> Self {
        let mut sum = Self::default();
        for refund in refunds {
            assert_eq!(Fact::Refund.crooked(refund), None, "{refund}");
            let stands = word(refund, "state") != "failed";
            let (forward, reversed) =
                booked.refunds.get(word(refund, "refund_no")).copied().unwrap_or_default();
            assert!(forward <= number(refund, "attempts"), "booked {forward} times: {refund}");
            let once = u64::from(stands && number(refund, "cash_amount") > 0);
            assert_eq!(
                forward - reversed,
                once,
                "booked {forward} times, reversed {reversed} times: {refund}"
            );
            if stands {
                sum.add(refund);
            }
        }
        sum
    }

    fn add(&mut self, refund: &Value) {
        let of = |name| number(refund, name);
        self.count += 1;
        self.amount += of("amount");
        self.succeeded += if word(refund, "state") == "succeeded" { of("amount") } else { 0 };
        self.cash += of("cash_amount");
        self.discount += of("discount_amount");
        self.fees[0] += of("fee_returned");
        self.fees[1] += of("platform_fee_returned");
        self.cost += of("cost_returned");
    }

    /// What was given back is no more than what came, and what order, refunds and entries say of it agrees.
    fn check(&self, order: &Order, view: &Value, booked: &Booked) {
        let of = |name| number(view, name);
        let (cash, payable) = (of("amount"), of("payable"));
        assert_eq!((cash, payable), (order.cash, order.payable()), "{view}");
        // Of what came late there is no discount.
        let late = booked.sum(60) > 0 && booked.sum(62) == 0;
        let paid = if late { cash } else { payable };
        assert!(self.amount <= paid && self.cash <= cash, "more given back than was paid: {view}");
        assert!(self.discount <= payable - cash, "more discount given back than was given: {view}");
        assert!(self.fees[0] <= of("fee") && self.fees[1] <= of("platform_fee"), "more fees back: {view}");
        assert!(self.cost <= of("channel_cost"), "more cost back: {view}");
        if self.amount == paid && self.count > 0 {
            let all = [cash, paid - cash, of("fee"), of("platform_fee"), of("channel_cost")];
            let given = [self.cash, self.discount, self.fees[0], self.fees[1], self.cost];
            assert_eq!(given, all, "an empty order gave everything back: {view}");
        }
        assert_eq!(self.amount, of("refunded") + of("in_flight"), "{view}");
        assert_eq!(self.succeeded, of("refunded"), "{view}");
        let partly = self.succeeded > 0 && self.succeeded < paid && !late;
        assert_eq!(word(view, "status") == "partially_refunded", partly, "{view}");
        assert_eq!(word(view, "status") == "refunded", self.count > 0 && self.succeeded == paid, "{view}");

        let cash = i128::from(self.cash);
        assert_eq!(booked.sum(74), cash, "cash back in the books of {view}");
        assert_eq!(booked.sum(70), if late { 0 } else { cash }, "the merchant's cash in the books of {view}");
        let fees: u64 = self.fees.iter().sum();
        assert_eq!(booked.sum(73), i128::from(fees), "fees back in the books of {view}");
        assert_eq!(booked.sum(75), i128::from(self.cost), "cost back in the books of {view}");
        assert!(booked.sum(76) <= i128::from(self.discount), "discount back in the books of {view}");
    }
}

/// How many voids of an order stand; each was booked once, and taken back if it failed.
fn check_voids(caller: &mut Caller<'_>, order: &Order, booked: &Booked) -> usize {
    let mut standing = 0;
    for n in 0..shop::VOIDS {
        let void_no = order.numbered('v', n);
        let view = caller.find(&of_merchant(order.merchant, &format!("voids/{void_no}")));
        let times = booked.voids.get(&void_no).copied().unwrap_or_default();
        let state = view.as_ref().map(|view| word(view, "state"));
        let expected = match state {
            None => (0, 0),
            Some("failed") => (1, 1),
            Some(_) => (0, 1),
        };
        assert_eq!(times, expected, "{void_no}, {state:?}: booked again, and reversed");
        standing += usize::from(matches!(state, Some("processing" | "succeeded")));
    }
    standing
}

/// What was split and did not return is within what may be split, and what the entries say.
fn check_splits(caller: &mut Caller<'_>, order: &Order, booked: &Booked) {
    if order.kind != Kind::Held {
        return;
    }
    let mut away = 0;
    for n in 0..shop::SPLITS {
        let Some(split) =
            caller.find(&of_merchant(order.merchant, &format!("splits/{}", order.numbered('s', n))))
        else {
            continue;
        };
        for receiver in split["receivers"].as_array().expect("receivers") {
            let (amount, returned) = (number(receiver, "amount"), number(receiver, "returned"));
            assert!(returned <= amount, "{split}");
            away += amount - returned;
        }
    }
    assert!(away <= order.cash * shop::SPLIT_PERCENT / 100, "more split than may be of {}", order.no);
    assert_eq!(booked.sum(81) - booked.sum(82), i128::from(away), "splits in the books of {}", order.no);
}
