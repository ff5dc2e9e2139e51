//! The loopback network alone: frames of the line's size one way, replies of the line's size back, nothing done
//! with either.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use crate::BenchError;

/// Frames that may wait for their replies, as in the load's closed loop.
const IN_FLIGHT: usize = 4;

/// Sends `frames` of `request_bytes`, gets as many of `reply_bytes`; frames a second.
///
/// # Errors
/// When a socket fails.
pub fn exchange(frames: usize, request_bytes: usize, reply_bytes: usize) -> Result<f64, BenchError> {
    run(frames, request_bytes, reply_bytes).map_err(BenchError::io("talking over the loopback network"))
}

fn run(frames: usize, request_bytes: usize, reply_bytes: usize) -> std::io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    for end in [&sender, &server] {
        end.set_nodelay(true)?;
    }
    let mut receiver = sender.try_clone()?;
    let begun = Instant::now();
    thread::scope(|scope| {
        let answering = scope.spawn(move || -> std::io::Result<()> {
            let (mut request, reply) = (vec![0; request_bytes], vec![2; reply_bytes]);
            for _ in 0..frames {
                server.read_exact(&mut request)?;
                server.write_all(&reply)?;
            }
            Ok(())
        });
        let (flying, landed) = sync_channel(IN_FLIGHT);
        let sending = scope.spawn(move || -> std::io::Result<()> {
            let request = vec![1; request_bytes];
            for _ in 0..frames {
                if flying.send(()).is_err() {
                    break;
                }
                sender.write_all(&request)?;
            }
            Ok(())
        });
        let mut reply = vec![0; reply_bytes];
        for _ in 0..frames {
            receiver.read_exact(&mut reply)?;
            // The sender ends before its last frame only with an error, which is seen below.
            let _ = landed.recv();
        }
        for thread in [answering, sending] {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(frames as f64 / begun.elapsed().as_secs_f64())
    })
}
