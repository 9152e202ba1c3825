//! What the tests share: archives made in memory, scripted servers, the binary, real servers.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its share")]

pub mod bucket;
pub mod bytes;
pub mod command;
pub mod common;
pub mod hostile_page;
pub mod law;
pub mod loopback;
pub mod measured;
pub mod random_traces;
pub mod rich;
pub mod scripted;
pub mod served;
pub mod servers;
pub mod universe;
pub mod whole;
