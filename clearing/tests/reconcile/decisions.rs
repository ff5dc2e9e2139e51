//! What two people decide about differences, and the commands that come of it.

use serde_json::{Value, json};
use suanpan_clearing::bill::BillState;
use suanpan_clearing::reconcile::Item;
use suanpan_clearing::reconcile::item::State;
use suanpan_clearing::reconcile::open::open_list;
use suanpan_clearing::reconcile::resolution::{Action, Answer, Decision, Resolution, ResolutionError};

use crate::town::{CHANNEL, Ledger, Ours, Row, Town};

fn decision(action: Action) -> Decision {
    Decision {
        action,
        approved_by: ["li".to_owned(), "wang".to_owned()],
        memo: "checked with the channel".to_owned(),
        merchant: None,
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn decide(town: &Town, item: &Item, action: Action) -> Result<Resolution, ResolutionError> {
    Resolution::decide(&town.store, CHANNEL, &item.id, &decision(action))
}

/// Paths and bodies of a resolution's commands.
fn calls(resolution: &Resolution) -> Vec<(String, Value)> {
    resolution
        .commands
        .iter()
        .map(|command| {
            assert_eq!(command.method, "POST");
            (command.path.clone(), command.body.clone())
        })
        .collect()
}

fn one_open(ours: &[Ours], rows: &[Row]) -> (Town, Item) {
    let town = Town::new();
    town.run(26, &Ledger::of(ours), rows);
    let mut items = open_list(&town.store, None).unwrap().items;
    assert_eq!(items.len(), 1, "{items:?}");
    let item = items.remove(0).item;
    (town, item)
}

#[test]
fn a_long_payment_is_supplemented_and_closes_when_its_order_is_there() {
    let row = Ours::payment(26, 2, "X1", 777).row();
    let (town, item) = one_open(&[], &[row]);
    let resolution = decide(&town, &item, Action::Supplement).unwrap();
    let body = json!({
        "order_no": "X1", "channel": "wechat", "amount": 777, "paid_at": "2018-08-26T04:00:00Z", "channel_txn": "T-2-X1"
    });
    assert_eq!(calls(&resolution), [("/v1/merchants/2/payments".to_owned(), body)]);
    assert_eq!(open_list(&town.store, None).unwrap().items, [], "it is decided");
    // Booked on the next date, it is found there and no difference of it.
    let ours = Ours { date: crate::town::date(27), ..Ours::payment(26, 2, "X1", 777) };
    let run = town.run(27, &Ledger::of(&[ours]), &[]);
    assert!(run.batch.is_balanced() && run.lines.items.is_empty(), "{:?}", run.lines.items);
    assert_eq!(run.batch.closed, 1);
}

#[test]
fn what_went_to_nobody_goes_back() {
    let row = Row { sub_merchant: String::new(), ..Ours::payment(26, 2, "X1", 777).row() };
    let (town, item) = one_open(&[], &[row]);
    let failed = decide(&town, &item, Action::Refund).unwrap_err();
    assert!(matches!(failed, ResolutionError::MerchantNeeded { .. }), "{failed}");
    let asked = Decision { merchant: Some("2".to_owned()), ..decision(Action::Refund) };
    let resolution = Resolution::decide(&town.store, CHANNEL, &item.id, &asked).unwrap();
    let calls = calls(&resolution);
    assert_eq!(
        calls.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["/v1/merchants/2/payments", "/v1/merchants/2/refunds"]
    );
    assert_eq!((&calls[1].1["order_no"], &calls[1].1["amount"]), (&json!("X1"), &json!(777)));
}

#[test]
fn a_long_refund_and_a_result_we_were_not_told() {
    let refund = Ours::refund(26, 2, "A/1", "R*1", 50);
    let (town, item) = one_open(&[], &[refund.row()]);
    let long = calls(&decide(&town, &item, Action::Supplement).unwrap());
    assert_eq!(
        long[0].1,
        json!({"refund_no": "R*1", "order_no": "A/1", "amount": 50, "reason": "reconciliation"})
    );
    assert_eq!(
        long[1],
        (
            "/v1/merchants/2/refunds/R%2A1/result".to_owned(),
            json!({"state": "succeeded", "channel_refund_no": "C-2-R*1"})
        )
    );

    let processing = Ours { state: State::Processing, ..refund.clone() };
    let (town, item) = one_open(std::slice::from_ref(&processing), &[refund.row()]);
    let result = calls(&decide(&town, &item, Action::Supplement).unwrap());
    assert_eq!(result, long[1..]);
    let failed = Row { state: BillState::Abnormal, ..refund.row() };
    let (town, item) = one_open(&[processing], &[failed]);
    let result = calls(&decide(&town, &item, Action::Supplement).unwrap());
    assert_eq!(result[0].1["state"], "failed");

    let (town, item) = one_open(&[Ours { state: State::Failed, ..refund.clone() }], &[refund.row()]);
    let failed = decide(&town, &item, Action::Supplement).unwrap_err();
    assert!(matches!(failed, ResolutionError::NotApplicable { .. }), "the core has it as final: {failed}");
}

/// Who gives, who gets, how much.
fn written_off(ours: &[Ours], rows: &[Row]) -> Option<(String, String, u64)> {
    let (town, item) = one_open(ours, rows);
    let resolution = decide(&town, &item, Action::WriteOff).unwrap();
    assert_eq!(open_list(&town.store, None).unwrap().items, []);
    let body = &resolution.commands.first()?.body;
    assert_eq!(resolution.commands.len(), 1);
    assert_eq!((&body["subject"], &body["approved_by"]), (&json!("reconciliation"), &json!(["li", "wang"])));
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    assert!(suanpan_core::Number::new(text("adjustment_no").as_bytes()).is_ok());
    Some((text("from"), text("to"), body["amount"].as_u64().unwrap()))
}

#[test]
fn a_write_off_books_what_the_channel_owes_more_or_less() {
    let payment = Ours::payment(26, 2, "A1", 1_000);
    let refund = Ours::refund(26, 2, "A0", "R1", 300);
    let came = |amount| Some(("channel:wechat".to_owned(), "operator".to_owned(), amount));
    let went = |amount| Some(("operator".to_owned(), "channel:wechat".to_owned(), amount));
    assert_eq!(written_off(&[], &[payment.row()]), came(1_000));
    assert_eq!(written_off(std::slice::from_ref(&payment), &[]), went(1_000));
    assert_eq!(
        written_off(std::slice::from_ref(&payment), &[Row { amount: 990, ..payment.row() }]),
        went(10)
    );
    assert_eq!(
        written_off(std::slice::from_ref(&payment), &[Row { amount: 1_010, ..payment.row() }]),
        came(10)
    );
    assert_eq!(written_off(&[], &[refund.row()]), went(300));
    assert_eq!(written_off(std::slice::from_ref(&refund), &[]), came(300));
    assert_eq!(written_off(std::slice::from_ref(&refund), &[Row { amount: 310, ..refund.row() }]), went(10));
    assert_eq!(
        written_off(std::slice::from_ref(&refund), &[Row { state: BillState::Failed, ..refund.row() }]),
        came(300)
    );
    let failed = Ours { state: State::Failed, ..refund.clone() };
    assert_eq!(written_off(&[failed], &[refund.row()]), went(300));
    let processing = Ours { state: State::Processing, ..refund.clone() };
    assert_eq!(written_off(&[processing], &[refund.row()]), None, "it is booked already");
    let void = Ours::void(26, 2, "A1", "V1", 1_000).row();
    assert_eq!(written_off(&[payment], &[void]), went(1_000), "revoked there, paid here");
}

#[test]
fn a_second_line_is_supplemented_under_a_number_of_its_own() {
    let payment = Ours::payment(26, 2, "A1", 1_000);
    let (town, item) = one_open(std::slice::from_ref(&payment), &[payment.row(), payment.row()]);
    let calls = calls(&decide(&town, &item, Action::Supplement).unwrap());
    let order_no = calls[0].1["order_no"].as_str().unwrap();
    assert!(order_no.starts_with("RP") && order_no.len() <= 32, "{order_no}");
}

#[test]
fn an_item_is_decided_once_by_two_people_who_say_why() {
    let (town, item) = one_open(&[Ours::payment(26, 2, "A1", 1_000)], &[]);
    for approved_by in [["li", "li"], ["Li", "li"], ["li", ""], [" li", "wang"], ["li", "wa\nng"]] {
        let asked = Decision { approved_by: approved_by.map(str::to_owned), ..decision(Action::WriteOff) };
        let failed = Resolution::decide(&town.store, CHANNEL, &item.id, &asked).unwrap_err();
        assert!(matches!(failed, ResolutionError::Approvers), "{approved_by:?}: {failed}");
    }
    for memo in ["", " ", &"x".repeat(257)] {
        let asked = Decision { memo: memo.to_owned(), ..decision(Action::WriteOff) };
        let failed = Resolution::decide(&town.store, CHANNEL, &item.id, &asked).unwrap_err();
        assert!(matches!(failed, ResolutionError::Memo), "{failed}");
    }
    let unknown = Resolution::decide(&town.store, CHANNEL, "00", &decision(Action::WriteOff)).unwrap_err();
    assert!(matches!(unknown, ResolutionError::NotOpen { .. }), "{unknown}");
    let failed = decide(&town, &item, Action::Supplement).unwrap_err();
    assert!(matches!(failed, ResolutionError::NotApplicable { .. }), "{failed}");

    let first = decide(&town, &item, Action::WriteOff).unwrap();
    assert_eq!(decide(&town, &item, Action::WriteOff).unwrap(), first, "the same again");
    let other = decide(&town, &item, Action::Pursue).unwrap_err();
    assert!(matches!(other, ResolutionError::Decided { action: "write_off", .. }), "{other}");
    let asked = Decision { approved_by: ["li".to_owned(), "zhao".to_owned()], ..decision(Action::WriteOff) };
    assert!(Resolution::decide(&town.store, CHANNEL, &item.id, &asked).is_err());

    assert_eq!(first.answers(&town.store).unwrap(), [None]);
    let answer = Answer { status: 201, body: json!({"ok": true}), at: jiff::Timestamp::UNIX_EPOCH };
    assert!(first.answered(&town.store, 0, &answer).unwrap());
    assert!(!first.answered(&town.store, 0, &Answer { status: 500, ..answer.clone() }).unwrap());
    assert_eq!(first.answers(&town.store).unwrap(), [Some(answer)]);
    assert_eq!(Resolution::all(&town.store, CHANNEL).unwrap(), [first]);
}

#[test]
fn what_is_pursued_stays_and_what_changed_is_open_again() {
    let payment = Ours::payment(26, 2, "A1", 1_000);
    let (town, item) = one_open(std::slice::from_ref(&payment), &[]);
    decide(&town, &item, Action::Pursue).unwrap();
    let open = open_list(&town.store, None).unwrap().items.remove(0);
    assert!(open.pursued);

    let (town, item) = one_open(std::slice::from_ref(&payment), &[Row { amount: 999, ..payment.row() }]);
    let first = decide(&town, &item, Action::WriteOff).unwrap();
    // A corrected file says that a fen was not all.
    town.run(26, &Ledger::of(std::slice::from_ref(&payment)), &[Row { amount: 1, ..payment.row() }]);
    let open = open_list(&town.store, None).unwrap().items.remove(0);
    assert_eq!((&open.item.id, open.decided_before), (&item.id, Some(Action::WriteOff)));
    let second = decide(&town, &open.item, Action::WriteOff).unwrap();
    assert_ne!(first.commands[0].body["adjustment_no"], second.commands[0].body["adjustment_no"]);
}
