//! A payment as a request, and what its answer says, put as the binary protocol would have said it.

use serde::Deserialize;
use suanpan_core::{Payment, Receipt, Rejection, Reply};

use super::answer::Answer;

/// What of an answer's order is compared.
#[derive(Deserialize)]
struct Order<'a> {
    order_no: &'a str,
    status: &'a str,
    amount: u64,
    fee: u64,
    net: u64,
}

/// What of a problem is told apart.
#[derive(Deserialize)]
struct Problem<'a> {
    code: &'a str,
}

/// Writes payments, over one channel and to one host.
pub(crate) struct Template {
    /// All that is the same in every request, in the order of the request; what differs stands between.
    parts: [Vec<u8>; 4],
}

impl Template {
    pub(crate) fn new(host: &str, channel: &str) -> Self {
        let headers = format!(
            "/payments HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        let order = b"\r\n\r\n{\"order_no\":\"";
        let amount = format!("\",\"channel\":\"{channel}\",\"amount\":");
        Self {
            parts: [
                b"POST /v1/merchants/".to_vec(),
                headers.into_bytes(),
                order.to_vec(),
                amount.into_bytes(),
            ],
        }
    }

    /// Appends the request for a payment.
    pub(crate) fn write(&self, payment: &Payment, bytes: &mut Vec<u8>) {
        let [merchant, headers, order, amount] = &self.parts;
        let order_no = payment.order_no.as_str();
        let amount_digits = payment.amount.checked_ilog10().unwrap_or(0) as usize + 1;
        const OPEN: usize = "{\"order_no\":\"".len();
        let body = OPEN + order_no.len() + amount.len() + amount_digits + 1;
        bytes.extend_from_slice(merchant);
        write_whole(payment.merchant.0, bytes);
        bytes.extend_from_slice(headers);
        write_whole(body as u64, bytes);
        bytes.extend_from_slice(order);
        bytes.extend_from_slice(order_no.as_bytes());
        bytes.extend_from_slice(amount);
        write_whole(payment.amount, bytes);
        bytes.push(b'}');
    }
}

fn write_whole(mut number: u64, bytes: &mut Vec<u8>) {
    const DIGITS_MAX: usize = u64::MAX.ilog10() as usize + 1;
    let mut digits = [0; DIGITS_MAX];
    let mut at = DIGITS_MAX;
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&digits[at..]);
}

/// What the answer to a payment says, or, if it is no answer to it, what came instead.
pub(crate) fn read(payment: &Payment, answer: &Answer<'_>) -> Result<Reply, String> {
    match answer.status {
        200 | 201 => match serde_json::from_slice::<Order<'_>>(answer.body) {
            Ok(order)
                if order.order_no == payment.order_no.as_str()
                    && order.status == "paid"
                    && order.amount == payment.amount =>
            {
                let repeat = answer.status == 200;
                return Ok(Reply::Done(Receipt::Payment { repeat, fees: order.fee, net: order.net }));
            }
            _ => {}
        },
        503 => {
            let refused = serde_json::from_slice::<Problem<'_>>(answer.body);
            match refused.map(|problem| problem.code) {
                Ok("overloaded") => return Ok(Reply::Rejected(Rejection::Overloaded, None)),
                Ok("read_only") => return Ok(Reply::Rejected(Rejection::ReadOnly, None)),
                _ => {}
            }
        }
        _ => {}
    }
    Err(format!("{payment:?} was answered {}", words(answer)))
}

/// An answer for people: its status and the beginning of its body.
pub(crate) fn words(answer: &Answer<'_>) -> String {
    const SHOWN_BYTES_MAX: usize = 500;
    let shown = &answer.body[..answer.body.len().min(SHOWN_BYTES_MAX)];
    format!("{} {}", answer.status, String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use suanpan_core::{ChannelId, MerchantId, Number};

    fn payment(merchant: u64, amount: u64) -> Payment {
        Payment {
            merchant: MerchantId(merchant),
            order_no: Number::new(b"A-1").unwrap(),
            channel: ChannelId(0),
            amount,
            hold: false,
            paid_at: None,
            details: None,
        }
    }

    #[test]
    fn a_request_is_what_http_wants() {
        let template = Template::new("127.0.0.1:8080", "wechat");
        for (merchant, amount) in [(1_000_001, 9), (1, 10), (u64::MAX, 12_345), (7, 1_000_000_000_000_000)] {
            let mut bytes = Vec::new();
            template.write(&payment(merchant, amount), &mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("POST /v1/merchants/{merchant}/payments HTTP/1.1\r\nhost: ")));
            assert!(head.ends_with(&format!("\r\ncontent-length: {}", body.len())), "{text}");
            assert_eq!(body, format!(r#"{{"order_no":"A-1","channel":"wechat","amount":{amount}}}"#));
        }
    }

    #[test]
    fn an_answer_is_to_the_payment_or_wrong() {
        let order = |status, text: &str| {
            let answer = Answer { status, body: text.as_bytes(), length: 0 };
            read(&payment(1, 500), &answer)
        };
        let body = r#"{"order_no":"A-1","merchant_id":"1","status":"paid","amount":500,"fee":3,"net":497,"paid_at":null}"#;
        let done = |repeat| Ok(Reply::Done(Receipt::Payment { repeat, fees: 3, net: 497 }));
        assert_eq!(order(201, body), done(false));
        assert_eq!(order(200, body), done(true));
        for (from, to) in
            [("A-1", "A-2"), ("500", "501"), ("\"paid\"", "\"voided\""), ("\"net\":497,", ""), ("}", "")]
        {
            assert!(order(201, &body.replace(from, to)).is_err(), "{to} for {from}");
        }
        let problem =
            |code| format!(r#"{{"type":"urn:suanpan:problem:{code}","status":503,"code":"{code}"}}"#);
        assert_eq!(order(503, &problem("overloaded")), Ok(Reply::Rejected(Rejection::Overloaded, None)));
        assert_eq!(order(503, &problem("read_only")), Ok(Reply::Rejected(Rejection::ReadOnly, None)));
        let wrong = order(500, &problem("unknown")).unwrap_err();
        assert!(wrong.contains("answered 500") && wrong.contains("unknown"), "{wrong}");
        assert!(order(503, "").is_err() && order(404, body).is_err());
    }
}
