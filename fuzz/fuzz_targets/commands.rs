//! The log's compact form of commands: any bytes are commands or an error, and what is taken is written back as the
//! very bytes that were read, so that no command has two forms and no bytes two meanings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suanpan_core::{decode, encode};

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut written = Vec::new();
    loop {
        let before = rest;
        let Ok(command) = decode(&mut rest) else { return };
        assert_eq!(command.check(), Ok(()), "what is decoded has been checked");
        written.clear();
        encode(&command, &mut written);
        assert_eq!(written, before[..before.len() - rest.len()], "{command:?}");
        let again = decode(&mut written.as_slice());
        assert_eq!(again.as_ref(), Ok(&command));
    }
});
