//! The compact form: what is written is read back, and any bytes at all are a command or an error.

mod common;
mod strategy;
use common::*;
use proptest::prelude::*;
use suanpan_core::*;

fn bytes(command: &Command) -> Vec<u8> {
    let mut out = Vec::new();
    encode(command, &mut out);
    out
}

#[test]
fn a_plain_payment_is_small() {
    let payment = payment((1 << 21) - 1, "20180826000000000001", ChannelId(127), (1 << 21) - 1);
    assert_eq!(bytes(&Command::Payment(payment)).len(), 30);
}

#[test]
fn the_form_stays() {
    // Tag, flags, merchant 1001, two characters, channel 3, amount 9500.
    let payment = payment(1001, "A1", ChannelId(3), 9500);
    assert_eq!(bytes(&Command::Payment(payment)), [1, 0, 0xe9, 7, 2, b'A', b'1', 3, 0x9c, 0x4a]);
    assert_eq!(bytes(&refund(1, "R", "A", 5)), [2, 0, 1, 1, b'R', 1, b'A', 5]);
    assert_eq!(bytes(&result(1, "R", RefundResultState::Unknown)), [3, 0, 1, 1, b'R', 2]);
    assert_eq!(bytes(&void(1, "V", "A")), [4, 1, 1, b'V', 1, b'A']);
    assert_eq!(bytes(&void_result(1, "V", true)), [5, 1, 1, b'V', 1]);
    assert_eq!(bytes(&cut(Date(-2))), [8, 3, 1]);
}

#[test]
fn what_is_never_written_is_refused() {
    let decode = |bytes: &[u8]| decode(&mut &bytes[..]);
    assert_eq!(decode(&[]), Err(CodecError::Short));
    assert_eq!(decode(&[0]), Err(CodecError::Unknown));
    assert_eq!(decode(&[29]), Err(CodecError::Unknown));
    assert_eq!(decode(&[1, 0x40]), Err(CodecError::Unknown));
    // Discounts without details; a merchant in two bytes that fits one; a character outside the alphabet.
    assert_eq!(decode(&[1, 8, 1, 1, b'A', 0, 5, 1, 1, 1]), Err(CodecError::Unknown));
    // Discounts that are none.
    assert_eq!(decode(&[1, 15, 0xef, 6, 2, b'-', b'A', 50, 19, 91, 0, 0, 0]), Err(CodecError::Malformed));
    assert_eq!(decode(&[1, 0, 0x81, 0, 1, b'A', 0, 5]), Err(CodecError::Malformed));
    assert_eq!(decode(&[1, 0, 1, 1, b' ', 0, 5]), Err(CodecError::Malformed));
    assert_eq!(decode(&[1, 0, 1, 1, b'A', 0, 0]), Err(CodecError::Invalid(Field::Amount)));
    assert_eq!(decode(&[1, 0, 0, 1, b'A', 0, 1]), Err(CodecError::Invalid(Field::MerchantId)));
    assert_eq!(decode(&[8, 1, 2]), Err(CodecError::Unknown));
    let eleven = [[0xff; 10].as_slice(), &[1]].concat();
    assert_eq!(decode(&[&[4], eleven.as_slice()].concat()), Err(CodecError::Malformed));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(commands in prop::collection::vec(strategy::any_command(), 1..20)) {
        let mut written = Vec::new();
        for command in &commands {
            prop_assert_eq!(command.check(), Ok(()));
            encode(command, &mut written);
        }
        let mut rest = written.as_slice();
        for command in &commands {
            prop_assert_eq!(&decode(&mut rest), &Ok(command.clone()));
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_prefix_is_short(command in strategy::any_command()) {
        let whole = bytes(&command);
        for len in 0..whole.len() {
            prop_assert_eq!(decode(&mut &whole[..len]), Err(CodecError::Short));
        }
    }

    #[test]
    fn any_bytes_give_a_command_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), tag in 0u8..31) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        let mut rest = bytes.as_slice();
        if let Ok(command) = decode(&mut rest) {
            prop_assert_eq!(command.check(), Ok(()));
            let mut again = Vec::new();
            encode(&command, &mut again);
            prop_assert_eq!(decode(&mut again.as_slice()), Ok(command));
        }
    }

    #[test]
    fn a_flipped_bit_never_panics(command in strategy::any_command(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = bytes(&command);
        let at = at.index(bytes.len());
        bytes[at] ^= 1u8 << bit;
        if let Ok(command) = decode(&mut bytes.as_slice()) {
            prop_assert_eq!(command.check(), Ok(()));
        }
    }
}
