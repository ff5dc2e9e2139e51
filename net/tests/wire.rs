//! The binary protocol's bytes: what is written is read, and nothing else is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use suanpan_core::{
    Account, ChannelId, ChannelTerms, Command, Date, Discounts, EntryView, HOLIDAYS_MAX, Holidays,
    MerchantId, Number, PAGE_ENTRIES_MAX, Payment, PaymentDetails, Preset, Query, Refund, Reply, Request,
    SPLIT_PARTS_MAX, SplitView, Subject, Timestamp, Zone, ZoneStep,
};
use suanpan_net::wire::{
    FRAME_BYTES_MAX, FRAME_LISTS_MAX, FRAME_QUERIES_MAX, HEADER_BYTES, HELLO_BYTES, ServerHello, WireError,
    client_hello, first_frame, read_client_hello, read_replies, read_requests, write_replies, write_requests,
};

fn number() -> impl Strategy<Value = Number> {
    "[A-Za-z0-9_|*-]{1,32}".prop_map(|text| text.parse().unwrap())
}

fn details() -> impl Strategy<Value = PaymentDetails> {
    let txn = proptest::option::of("[!-~]{1,64}");
    (any::<[u64; 3]>(), proptest::option::of(any::<u64>()), txn).prop_map(|(parts, promoter, channel_txn)| {
        let [operator, merchant, platform] = parts;
        let discounts = Discounts { operator, merchant, platform };
        PaymentDetails { discounts, promoter: promoter.map(MerchantId), channel_txn }
    })
}

fn request() -> impl Strategy<Value = Request> {
    let payment = (any::<u64>(), number(), any::<u16>(), any::<u64>(), any::<bool>(), any::<Option<i64>>())
        .prop_flat_map(|(merchant, order_no, channel, amount, hold, paid_at)| {
            proptest::option::of(details()).prop_map(move |details| {
                Request::Command(Command::Payment(Payment {
                    merchant: MerchantId(merchant),
                    order_no,
                    channel: ChannelId(channel),
                    amount,
                    hold,
                    paid_at: paid_at.map(Timestamp),
                    details: details.map(Box::new),
                }))
            })
        });
    let refund = (any::<u64>(), number(), number(), any::<u64>()).prop_map(
        |(merchant, refund_no, order_no, amount)| {
            let merchant = MerchantId(merchant);
            Request::Command(Command::Refund(Refund { merchant, refund_no, order_no, amount, details: None }))
        },
    );
    let query = (any::<u64>(), number())
        .prop_map(|(merchant, order_no)| Request::Query(Query::Order(MerchantId(merchant), order_no)));
    prop_oneof![payment, refund, query]
}

fn read(bytes: &[u8]) -> Result<Option<(u64, Vec<Request>)>, WireError> {
    let Some((header, body)) = first_frame(bytes)? else { return Ok(None) };
    let mut requests = Vec::new();
    read_requests(&header, body, |request| requests.push(request))?;
    Ok(Some((header.id, requests)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_is_read(id in any::<u64>(), requests in prop::collection::vec(request(), 1..20)) {
        let mut bytes = Vec::new();
        write_requests(id, &requests, &mut bytes).unwrap();
        prop_assert_eq!(read(&bytes), Ok(Some((id, requests))));
    }

    /// Cut anywhere, it is not whole yet: more bytes are waited for, none is used.
    #[test]
    fn a_part_is_waited_for(requests in prop::collection::vec(request(), 1..5), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        write_requests(1, &requests, &mut bytes).unwrap();
        bytes.truncate(cut.index(bytes.len()));
        prop_assert_eq!(read(&bytes), Ok(None));
    }

    /// No single changed bit goes unnoticed: it is an error, or (in the length) more bytes are waited for.
    #[test]
    fn a_changed_bit_is_found(
        requests in prop::collection::vec(request(), 1..5),
        place in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let mut bytes = Vec::new();
        write_requests(1, &requests, &mut bytes).unwrap();
        bytes[place.index(requests.len() * 60)] ^= 1 << bit;
        prop_assert!(!matches!(read(&bytes), Ok(Some(_))));
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    /// Bytes that only the archive's own validation can find: the frame around them is right.
    #[test]
    fn any_body_is_no_panic(body in prop::collection::vec(any::<u8>(), 0..600), count in 1..9u16) {
        let bytes = framed(1, count, &body);
        if let Ok(Some((_, requests))) = read(&bytes) {
            prop_assert_eq!(requests.len(), usize::from(count));
        }
    }

    /// A right frame with a few bytes of its body changed and the checksum made to fit again.
    #[test]
    fn a_forged_body_is_no_panic(
        requests in prop::collection::vec(request(), 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = Vec::new();
        write_requests(1, &requests, &mut bytes).unwrap();
        let mut body = bytes[HEADER_BYTES..].to_vec();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        let forged = framed(1, requests.len() as u16, &body);
        if let Ok(Some((_, read))) = read(&forged) {
            prop_assert_eq!(read.len(), requests.len());
        }
        let mut replies = Vec::new();
        if let Ok(Some((header, body))) = first_frame(&forged) {
            let _ = read_replies(&header, body, |reply| replies.push(reply));
        }
    }
}

/// A frame with a right header around any body.
fn framed(kind: u8, count: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(u32::try_from(HEADER_BYTES + body.len()).unwrap().to_le_bytes());
    bytes.extend([kind, 0]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(7u64.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes), body);
    bytes.extend(sum.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn the_format_stands() {
    let mut bytes = Vec::new();
    write_requests(0x0102_0304, &vec![Request::Query(Query::Totals)], &mut bytes).unwrap();
    assert_eq!(bytes[..4], u32::try_from(bytes.len()).unwrap().to_le_bytes());
    assert_eq!(bytes[4..24], [1, 0, 1, 0, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, framed_as(&bytes, 0x0102_0304));
}

fn framed_as(frame: &[u8], id: u64) -> Vec<u8> {
    let mut bytes = framed(1, 1, &frame[HEADER_BYTES..]);
    bytes[8..16].copy_from_slice(&id.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..24]), &frame[HEADER_BYTES..]);
    bytes[24..28].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn each_field_of_the_header_has_bounds() {
    let good = framed(1, 1, b"");
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        first_frame(&bytes).map(|_| ())
    };
    assert_eq!(with(0, 31), Err(WireError::Length(31)));
    assert_eq!(with(3, 0xFF), Err(WireError::Length(0xFF00_0000 + HEADER_BYTES as u32)));
    assert_eq!(with(4, 9), Err(WireError::Kind(9)));
    assert_eq!(with(5, 1), Err(WireError::Reserved));
    assert_eq!(with(6, 0), Err(WireError::Count(0)));
    assert_eq!(with(7, 0xFF), Err(WireError::Count(0xFF01)));
    assert_eq!(with(24, good[24] ^ 1), Err(WireError::Checksum));
    assert_eq!(with(31, 1), Err(WireError::Reserved));
    // An error frame counts nothing.
    assert_eq!(first_frame(&framed(3, 1, b"no")).map(|_| ()), Err(WireError::Count(1)));
}

#[test]
fn replies_that_are_too_many_are_refused_and_nothing_is_written() {
    let steps = (0..1_024).map(|n| ZoneStep { from_s: n, offset_s: 0 }).collect();
    let zone = Zone { name: "Far/Away".to_owned(), steps };
    let shown = Reply::Channel(Box::new(ChannelTerms::preset("wechat", Preset::Wechat, zone)));
    let mut bytes = vec![1, 2, 3];
    match write_replies(1, 0, &vec![shown.clone(); 400], &mut bytes) {
        Err(WireError::TooLarge(size)) => assert!(size > FRAME_BYTES_MAX),
        other => panic!("400 channels of 12 KiB fit a frame of 4 MiB: {other:?}"),
    }
    assert_eq!(bytes, [1, 2, 3]);
    // As many lists as a frame may ask for do fit.
    assert_eq!(write_replies(1, 0, &vec![shown; FRAME_LISTS_MAX], &mut bytes), Ok(()));
}

/// As many looks as a frame may ask for are answered in one frame, however long their names.
#[test]
fn a_full_frame_of_looks_fits() {
    let named = suanpan_core::MerchantTerms {
        name: "x".repeat(128),
        ..suanpan_core::MerchantTerms::new(MerchantId(1), suanpan_core::Currency(*b"CNY"))
    };
    let replies = vec![Reply::Merchant(Box::new(named)); FRAME_QUERIES_MAX];
    assert_eq!(write_replies(1, 0, &replies, &mut Vec::new()), Ok(()));
}

/// So are splits among as many as there may be, and lists of entries.
#[test]
fn a_full_frame_of_splits_and_lists_fits() {
    let number: Number = "x".repeat(32).parse().unwrap();
    let split = SplitView {
        split_no: number,
        order_no: number,
        merchant: MerchantId(1),
        receivers: vec![(MerchantId(1), 1, 1); SPLIT_PARTS_MAX],
        finish: false,
        accounting_date: Date(1),
    };
    let replies = vec![Reply::Split(Box::new(split)); FRAME_QUERIES_MAX];
    assert_eq!(write_replies(1, 0, &replies, &mut Vec::new()), Ok(()));
    let entry = EntryView {
        seq: 1,
        group: 1,
        subject: Subject::SPLIT,
        from: Account::Operator,
        to: Account::Accrued(MerchantId(1)),
        amount: 1,
        order_no: Some(number),
        refund_no: Some(number),
        reference: Some(number),
        accounting_date: Date(1),
        reversal: false,
    };
    let list = Reply::Entries { page: vec![entry; PAGE_ENTRIES_MAX], has_more: true };
    let calendar = Holidays { dates: vec![Date(1); HOLIDAYS_MAX], workdays: vec![Date(1); HOLIDAYS_MAX] };
    for list in [list, Reply::Holidays(Box::new(calendar))] {
        assert_eq!(write_replies(1, 0, &vec![list; FRAME_LISTS_MAX], &mut Vec::new()), Ok(()));
    }
}

#[test]
fn hellos() {
    assert_eq!(read_client_hello(&client_hello()), Ok(1));
    let mut other = client_hello();
    other[0] = b'G';
    assert_eq!(read_client_hello(&other), Err(WireError::Magic));
    let mut newer = client_hello();
    (newer[8], newer[10]) = (2, 9);
    assert_eq!(read_client_hello(&newer), Err(WireError::Version { min: 2, max: 9 }));
    let mut odd = client_hello();
    odd[HELLO_BYTES - 1] = 1;
    assert_eq!(read_client_hello(&odd), Err(WireError::Reserved));
    assert_eq!(ServerHello::from_bytes(&[0; HELLO_BYTES]), Err(WireError::Magic));
}
