//! The binary protocol: any bytes are a frame, the beginning of one, or an error; what a frame holds is validated before
//! it is used, and is the same when it is written and read again.
//!
//! Bytes are looked at as they come, and once more with length and checksum made right, so that the body is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suanpan_core::{Reply, Request, decode, encode};
use suanpan_net::wire::{
    FRAME_BYTES_MAX, HEADER_BYTES, HELLO_BYTES, Header, Kind, ServerHello, WireError, first_frame,
    read_client_hello, read_replies, read_requests, write_replies, write_requests,
};

/// Where in a header the checksum is; it covers what is before it, and the body.
const CHECKSUM_AT: usize = 24;
const CHECKSUM_END: usize = CHECKSUM_AT + 4;

fuzz_target!(|data: &[u8]| {
    if let Some(hello) = data.first_chunk::<HELLO_BYTES>() {
        let _ = read_client_hello(hello);
        if let Ok(hello) = ServerHello::from_bytes(hello) {
            assert_eq!(ServerHello::from_bytes(&hello.to_bytes()), Ok(hello));
        }
    }
    look(data);
    if let Some(frame) = made_right(data) {
        look(&frame);
    }
});

/// The bytes as one frame whose length and checksum fit.
fn made_right(data: &[u8]) -> Option<Vec<u8>> {
    if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&data.len()) {
        return None;
    }
    let mut frame = data.to_vec();
    frame[..4].copy_from_slice(&(data.len() as u32).to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&frame[..CHECKSUM_AT]), &frame[HEADER_BYTES..]);
    frame[CHECKSUM_AT..CHECKSUM_END].copy_from_slice(&sum.to_le_bytes());
    Some(frame)
}

fn look(bytes: &[u8]) {
    let Ok(Some((header, body))) = first_frame(bytes) else { return };
    assert_eq!(header.length, HEADER_BYTES + body.len());
    assert!(matches!(first_frame(&bytes[..header.length - 1]), Ok(None)), "a frame is whole or not there");
    match header.kind {
        Kind::Requests => requests(&header, body),
        Kind::Replies => replies(&header, body),
        Kind::Error => {}
    }
}

fn requests(header: &Header, body: &[u8]) {
    let mut taken: Vec<Request> = Vec::new();
    if read_requests(header, body, |request| taken.push(request)).is_err() {
        return;
    }
    assert_eq!(taken.len(), usize::from(header.count));
    for request in &taken {
        if let Request::Command(command) = request
            && command.check().is_ok()
        {
            let mut written = Vec::new();
            encode(command, &mut written);
            assert_eq!(decode(&mut written.as_slice()).as_ref(), Ok(command), "the log holds what was asked");
        }
    }
    let mut frame = Vec::new();
    match write_requests(header.id, &taken, &mut frame) {
        // An archive may say one thing for many that point at it; written out it is longer.
        Err(error) => assert!(matches!(error, WireError::TooLarge(_))),
        Ok(()) => {
            let mut again = Vec::new();
            let (header, body) = first_frame(&frame).expect("well formed").expect("whole");
            read_requests(&header, body, |request| again.push(request)).expect("its own archive");
            assert_eq!(again, taken);
        }
    }
}

fn replies(header: &Header, body: &[u8]) {
    let mut taken: Vec<Reply> = Vec::new();
    if read_replies(header, body, |reply| taken.push(reply)).is_err() {
        return;
    }
    assert_eq!(taken.len(), usize::from(header.count));
    let mut frame = Vec::new();
    match write_replies(header.id, header.as_of, &taken, &mut frame) {
        Err(error) => assert!(matches!(error, WireError::TooLarge(_))),
        Ok(()) => {
            let mut again = Vec::new();
            let (header, body) = first_frame(&frame).expect("well formed").expect("whole");
            read_replies(&header, body, |reply| again.push(reply)).expect("its own archive");
            assert_eq!(again, taken);
        }
    }
}
