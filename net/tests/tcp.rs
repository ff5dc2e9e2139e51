//! The binary port on a real socket: served, misused, overfilled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use suanpan_core::{
    Account, Adjustment, ChannelId, ChannelTerms, Close, Command, Currency, Date, Field, MerchantId,
    MerchantTerms, Number, Payment, Preset, Promoter, Query, Rate, Receipt, Rejection, Reply, Request, Run,
    SetDate, Settle, Settlement, Split, SweepItem, Transfer, Zone,
};
use suanpan_engine::{Engine, EngineConfig};
use suanpan_net::wire::{
    FRAME_LISTS_MAX, FRAME_QUERIES_MAX, HEADER_BYTES, HELLO_BYTES, Kind, client_hello, first_frame,
};
use suanpan_net::{Client, ClientError, Gateway, TcpLimits, tcp};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

struct Server {
    address: SocketAddr,
    runtime: Runtime,
    _engine: Arc<Engine>,
    _folder: tempfile::TempDir,
}

fn server(limits: TcpLimits) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        shards: 3,
        segment_bytes: 2 << 20,
        reserve_bytes: 1 << 20,
        ..EngineConfig::new(folder.path(), Date(20_000))
    };
    let engine = Arc::new(Engine::start(&config, |reason| panic!("{reason}")).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let address = runtime.block_on(async {
        let gateway = Arc::new(Gateway::new(engine.clone()).await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(tcp::serve(listener, gateway, limits));
        address
    });
    Server { address, runtime, _engine: engine, _folder: folder }
}

impl Server {
    fn client(&self) -> Client {
        self.runtime.block_on(Client::connect(self.address)).unwrap()
    }

    fn ask(&self, client: &Client, requests: Vec<Request>) -> Vec<Reply> {
        self.runtime.block_on(client.ask(requests)).unwrap()
    }

    /// A bare socket after the hello.
    fn socket(&self) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(&client_hello()).unwrap();
        let mut hello = [0; HELLO_BYTES];
        socket.read_exact(&mut hello).unwrap();
        socket
    }
}

fn terms(id: u64, platform: Option<u64>) -> Request {
    Request::Command(Command::PutMerchant(Box::new(MerchantTerms {
        name: "shop".to_owned(),
        platform: platform.map(MerchantId),
        fee_rate: Rate(6_000),
        ..MerchantTerms::new(MerchantId(id), Currency(*b"CNY"))
    })))
}

fn payment(id: u64, number: u64) -> Request {
    Request::Command(Command::Payment(Payment {
        merchant: MerchantId(id),
        order_no: format!("N{number}").parse::<Number>().unwrap(),
        channel: ChannelId(0),
        amount: 1_000,
        hold: false,
        paid_at: None,
        details: None,
    }))
}

fn open_shop(server: &Server, client: &Client) {
    let channel = ChannelTerms::preset("wechat", Preset::Wechat, Zone::fixed("Asia/Shanghai", 28_800));
    let put = vec![Request::Command(Command::PutChannel(Box::new(channel)))];
    let id = ChannelId(0);
    assert_eq!(server.ask(client, put), [Reply::Done(Receipt::Channel { id, existed: false })]);
    let made = server.ask(client, (1..=9).map(|id| terms(id, None)).collect());
    assert_eq!(made, vec![Reply::Done(Receipt::Merchant { existed: false }); 9]);
}

#[test]
fn replies_come_in_the_order_of_the_requests() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    // Known and unknown merchants by turns, over all shards.
    let requests = (0..3_000).map(|n| payment(n % 18 + 1, n)).collect();
    for (n, reply) in (0u64..).zip(server.ask(&client, requests)) {
        if n % 18 < 9 {
            assert_eq!(reply, Reply::Done(Receipt::Payment { repeat: false, fees: 6, net: 994 }), "{n}");
        } else {
            assert_eq!(reply, Reply::Rejected(Rejection::MerchantNotFound, None), "{n}");
        }
    }
}

#[test]
fn many_frames_in_flight_each_get_their_own() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let answers: Vec<_> = (0..400u64)
        .map(|n| {
            let client = client.clone();
            let size = n % 5 + 1;
            server.runtime.spawn(async move {
                let requests = (0..size).map(|k| payment(n % 9 + 1, n * 10 + k)).collect();
                (size, client.ask(requests).await.unwrap())
            })
        })
        .collect();
    for answer in answers {
        let (size, replies) = server.runtime.block_on(answer).unwrap();
        assert_eq!(replies.len() as u64, size);
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Done(_))), "{replies:?}");
    }
}

#[test]
fn what_concerns_all_shards_goes_alone() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let cut = Request::Command(Command::SetDate(SetDate { date: Date(20_001), cut: true }));
    let invalid = Reply::Rejected(Rejection::InvalidRequest, None);
    let replies = server.ask(&client, vec![payment(1, 1), cut.clone(), payment(2, 2)]);
    assert!(matches!(replies[..], [Reply::Done(_), ref refused, Reply::Done(_)] if *refused == invalid));
    assert_eq!(
        server.ask(&client, vec![cut]),
        [Reply::Done(Receipt::Date { closed: Date(20_000), resubmitted: 0 })]
    );
    assert_eq!(
        server.ask(&client, vec![terms(20, Some(77))]),
        [Reply::Rejected(Rejection::MerchantNotFound, Some(Field::Platform))]
    );
    assert_eq!(
        server.ask(&client, vec![terms(20, Some(1))]),
        [Reply::Done(Receipt::Merchant { existed: false })]
    );
    let accrued = server.ask(&client, vec![Request::Query(Query::Accrued(MerchantId(1)))]);
    assert_eq!(accrued, [Reply::Accrued(0)]);
    let Reply::Totals(totals) = server.ask(&client, vec![Request::Query(Query::Totals)]).remove(0) else {
        panic!("no totals");
    };
    assert_eq!((totals.orders, totals.merchants), (2, 10));
    assert_eq!(totals.accounts.iter().map(|(_, _, balance)| balance).sum::<i128>(), 0);
}

#[test]
fn looks_are_bounded_in_each_frame() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let look = Request::Query(Query::Balances(MerchantId(1)));
    let replies = server.ask(&client, vec![look; FRAME_QUERIES_MAX + 2]);
    let refused =
        replies.iter().filter(|r| matches!(r, Reply::Rejected(Rejection::InvalidRequest, _))).count();
    assert_eq!(refused, 2);
    assert!(matches!(replies[0], Reply::Balances(_)));
}

/// Frames that came together are one piece of work, whose looks and lists are bounded however many frames they are in:
/// all of them are answered, some in the next piece.
#[test]
fn lists_in_many_frames_are_all_answered() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    assert!(matches!(server.ask(&client, vec![payment(1, 1)])[..], [Reply::Done(_)]));
    let list = Request::Query(Query::OrderRefunds(MerchantId(1), "N1".parse().unwrap(), None));
    let mut bytes = Vec::new();
    for id in 0..500 {
        suanpan_net::wire::write_requests(id, &vec![list.clone()], &mut bytes).unwrap();
    }
    let mut socket = server.socket();
    socket.write_all(&bytes).unwrap();
    let (mut answer, mut chunk, mut seen) = (Vec::new(), [0; 4096], std::collections::BTreeSet::new());
    while seen.len() < 500 {
        let read = socket.read(&mut chunk).unwrap();
        assert!(read > 0, "closed after {}", seen.len());
        answer.extend_from_slice(&chunk[..read]);
        while let Some((header, body)) = first_frame(&answer).unwrap() {
            let mut replies = Vec::new();
            suanpan_net::wire::read_replies(&header, body, |reply| replies.push(reply)).unwrap();
            assert_eq!(replies, [Reply::Refunds { page: vec![], has_more: false }]);
            seen.insert(header.id);
            answer.drain(..header.length);
        }
    }
}

/// Text weighs by its bytes: frames of little but text are served, one after the other.
#[test]
fn frames_full_of_text_are_served_and_refused_one_by_one() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let long = "x".repeat(3 << 20);
    let named = move |n: usize| Request::Query(Query::ChannelNamed(format!("{n}{long}")));
    let asked: Vec<_> = (0..30)
        .map(|n| {
            let (client, request) = (client.clone(), named(n));
            server.runtime.spawn(async move { client.ask(vec![request]).await.unwrap() })
        })
        .collect();
    for answer in asked {
        let replies = server.runtime.block_on(answer).unwrap();
        assert_eq!(replies, [Reply::Rejected(Rejection::ChannelNotFound, None)]);
    }
}

#[test]
fn too_many_at_once_is_the_callers_error() {
    let server = server(TcpLimits::default());
    let client = server.client();
    let many = vec![payment(1, 1); 8_191];
    assert!(matches!(server.runtime.block_on(client.ask(many)), Err(ClientError::Count(8_191))));
    assert!(matches!(server.runtime.block_on(client.ask(vec![])), Err(ClientError::Count(0))));
}

/// Reads until the server closes.
fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is as closed as an end: the server does not read what it will not answer.
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

#[test]
fn garbage_is_answered_with_an_error_and_a_closed_connection() {
    let server = server(TcpLimits::default());
    for garbage in [&b"GET / HTTP/1.1\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[..], &[0xFF; 64], &[0; 64]] {
        let mut socket = server.socket();
        socket.write_all(garbage).unwrap();
        let answer = rest(&mut socket);
        if let Ok(Some((header, sentence))) = first_frame(&answer) {
            assert_eq!(header.kind, Kind::Error);
            assert!(!sentence.is_empty());
        } else {
            panic!("{answer:?}");
        }
    }
    let client = server.client();
    open_shop(&server, &client);
}

#[test]
fn another_protocols_hello_is_closed_without_a_word() {
    let server = server(TcpLimits::default());
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(&[b'G'; HELLO_BYTES]).unwrap();
    assert_eq!(rest(&mut socket), b"");
    let mut socket = TcpStream::connect(server.address).unwrap();
    let mut newer = client_hello();
    (newer[8], newer[10]) = (7, 7);
    socket.write_all(&newer).unwrap();
    let answer = rest(&mut socket);
    assert_eq!((answer.len(), answer[8], answer[10]), (HELLO_BYTES, 1, 1));
}

#[test]
fn frames_before_the_garbage_are_served() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let mut socket = server.socket();
    let mut bytes = Vec::new();
    suanpan_net::wire::write_requests(5, &vec![payment(1, 1)], &mut bytes).unwrap();
    bytes.extend([9; HEADER_BYTES]);
    socket.write_all(&bytes).unwrap();
    let answer = rest(&mut socket);
    let (first, _) = first_frame(&answer).unwrap().unwrap();
    assert_eq!((first.kind, first.id, first.count), (Kind::Replies, 5, 1));
    assert!(first.as_of > 0);
    let (second, _) = first_frame(&answer[first.length..]).unwrap().unwrap();
    assert_eq!(second.kind, Kind::Error);
}

#[test]
fn connections_are_bounded() {
    let server = server(TcpLimits { connections_max: 2, ..TcpLimits::default() });
    let (_one, _two) = (server.client(), server.client());
    let third = server.runtime.block_on(Client::connect(server.address)).unwrap_err();
    assert!(third.to_string().contains("no room"), "{third}");
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

#[test]
fn what_only_the_engine_sends_is_refused() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let settlement = Settlement { batch_no: number("S1"), merchant: None };
    let close = |expired| Command::Close(Close { merchant: MerchantId(1), order_no: number("N1"), expired });
    let item = SweepItem { owner: MerchantId(1), currency: Currency(*b"CNY"), amount: 5 };
    let internal = [
        Request::Command(Command::BeginSettlement(settlement)),
        Request::Command(Command::Settle(Settle { merchant: MerchantId(1), batch_no: number("S1") })),
        Request::Command(Command::EndSettlement(number("S1"))),
        Request::Command(Command::Sweep(Box::new(vec![item]))),
        Request::Command(close(true)),
        Request::Query(Query::Due(number("S1"), 0)),
        Request::Query(Query::Accruals(0)),
        Request::Query(Query::Expired(1)),
    ];
    let invalid = Reply::Rejected(Rejection::InvalidRequest, None);
    // Alone, and among others.
    for request in &internal {
        let replies = server.ask(&client, vec![request.clone()]);
        assert!(matches!(&replies[..], [reply] if *reply == invalid), "{request:?}: {replies:?}");
    }
    assert_eq!(server.ask(&client, internal.to_vec()), vec![invalid; internal.len()]);
    let own = server.ask(&client, vec![Request::Command(close(false))]);
    assert_eq!(own, [Reply::Rejected(Rejection::OrderNotFound, None)]);
}

#[test]
fn the_rest_of_the_business_goes_alone_where_it_concerns_others() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let cny = Currency(*b"CNY");
    let split = |split_no: &str, receiver: u64| {
        Command::Split(Box::new(Split {
            merchant: MerchantId(1),
            split_no: number(split_no),
            order_no: number("H1"),
            receivers: vec![(MerchantId(2), 10), (MerchantId(receiver), 20)],
            finish: false,
        }))
    };
    let mut held = payment(1, 1);
    if let Request::Command(Command::Payment(payment)) = &mut held {
        (payment.order_no, payment.hold) = (number("H1"), true);
    }
    assert!(matches!(server.ask(&client, vec![held])[..], [Reply::Done(_)]));
    let promoter = |id| Promoter {
        promoter: MerchantId(id),
        currency: cny,
        rate: Rate(1),
        upline: None,
        upline_rate: Rate(0),
    };
    let adjust = |to| {
        Command::Adjust(Box::new(Adjustment {
            adjustment_no: number("J1"),
            subject: "x".to_owned(),
            from: Account::Operator,
            to,
            amount: 5,
            currency: cny,
            memo: String::new(),
            approved_by: ["a".to_owned(), "b".to_owned()],
        }))
    };
    let transfer =
        Transfer { merchant: MerchantId(1), transfer_no: number("X1"), to: MerchantId(9), amount: 5 };
    let settlement = Settlement { batch_no: number("S1"), merchant: Some(MerchantId(77)) };
    let refused = |rejection, field| Reply::Rejected(rejection, field);
    let alone = [
        (Request::Command(split("S1", 77)), refused(Rejection::ReceiverInvalid, Some(Field::Receivers))),
        (Request::Command(split("S1", 1)), refused(Rejection::ReceiverInvalid, Some(Field::Receivers))),
        (Request::Command(split("S1", 2)), refused(Rejection::InvalidRequest, Some(Field::Receivers))),
        (Request::Command(split("S1", 3)), Reply::Done(Receipt::Booked { repeat: false })),
        (Request::Command(split("S1", 3)), Reply::Done(Receipt::Booked { repeat: true })),
        (Request::Command(Command::Transfer(transfer)), refused(Rejection::InsufficientFunds, None)),
        (Request::Command(Command::PutPromoter(promoter(77))), refused(Rejection::MerchantNotFound, None)),
        (
            Request::Command(Command::PutPromoter(Promoter { currency: Currency(*b"USD"), ..promoter(2) })),
            refused(Rejection::CurrencyMismatch, Some(Field::Currency)),
        ),
        (
            Request::Command(Command::PutPromoter(promoter(2))),
            Reply::Done(Receipt::Promoter { existed: false }),
        ),
        (
            Request::Command(adjust(Account::Platform(MerchantId(77)))),
            refused(Rejection::MerchantNotFound, Some(Field::To)),
        ),
        (
            Request::Command(adjust(Account::Platform(MerchantId(2)))),
            Reply::Done(Receipt::Booked { repeat: false }),
        ),
        (Request::Command(Command::PutHolidays(Box::default())), Reply::Done(Receipt::Holidays)),
        (
            Request::Run(Run::Settlement(settlement)),
            refused(Rejection::MerchantNotFound, Some(Field::MerchantId)),
        ),
        (Request::Query(Query::Settlement(number("S1"))), refused(Rejection::SettlementNotFound, None)),
    ];
    let invalid = refused(Rejection::InvalidRequest, None);
    for (request, answer) in alone {
        let both = server.ask(&client, vec![request.clone(), Request::Query(Query::Date)]);
        assert_eq!(both, [invalid.clone(), Reply::Date(Date(20_000))], "{request:?}");
        assert_eq!(server.ask(&client, vec![request.clone()]), [answer], "{request:?}");
    }
    let swept = server.ask(&client, vec![Request::Run(Run::Sweep)]);
    assert_eq!(swept, [Reply::Swept { owners: 2, amounts: vec![(cny, 35)] }]);
    let run = Run::Settlement(Settlement { batch_no: number("S1"), merchant: None });
    for repeat in [false, true] {
        match &server.ask(&client, vec![Request::Run(run.clone())])[..] {
            [Reply::Settlement { repeat: said, view }] => assert_eq!((*said, view.ended), (repeat, true)),
            other => panic!("{other:?}"),
        }
    }
    // Known by every shard, so any may be asked beside others.
    let looks =
        vec![Query::Adjustment(number("J1")), Query::Promoter(MerchantId(2)), Query::Holidays, Query::Date];
    let replies = server.ask(&client, looks.into_iter().map(Request::Query).collect());
    assert!(
        matches!(replies[..], [Reply::Adjustment(_), Reply::Promoter(_), Reply::Holidays(_), Reply::Date(_)]),
        "{replies:?}"
    );
}

/// A split with more receivers than one may have is refused before any of them is looked at.
#[test]
fn a_split_among_very_many_is_refused_at_once() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    let split = Split {
        merchant: MerchantId(1),
        split_no: number("S1"),
        order_no: number("H1"),
        receivers: (1..=100_000).map(|id| (MerchantId(id), 1)).collect(),
        finish: false,
    };
    let replies = server.ask(&client, vec![Request::Command(Command::Split(Box::new(split)))]);
    assert_eq!(replies, [Reply::Rejected(Rejection::InvalidRequest, Some(Field::Receivers))]);
}

#[test]
fn entries_and_the_calendar_count_as_lists() {
    let server = server(TcpLimits::default());
    let client = server.client();
    open_shop(&server, &client);
    for list in [Query::Entries(MerchantId(1), 0), Query::Holidays] {
        let replies = server.ask(&client, vec![Request::Query(list); FRAME_LISTS_MAX + 2]);
        let invalid = Reply::Rejected(Rejection::InvalidRequest, None);
        assert_eq!(replies.iter().filter(|reply| **reply == invalid).count(), 2);
    }
}

/// A client that begins a frame and does not end it is closed, and does not hold its place.
#[test]
fn a_frame_that_does_not_end_is_closed() {
    let limits = TcpLimits { frame_timeout: Duration::from_millis(200), ..TcpLimits::default() };
    let server = server(limits);
    let mut socket = server.socket();
    let mut bytes = Vec::new();
    suanpan_net::wire::write_requests(5, &vec![payment(1, 1)], &mut bytes).unwrap();
    socket.write_all(&bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(rest(&mut socket), b"");
}
