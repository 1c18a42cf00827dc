//! The subscription to one stream as a machine: inputs and bytes go in, outputs and events come out. Must not know
//! how requests are made, what time it is, or what an application does with events.

mod control;
mod error;
mod io;
mod machine;
mod position;
mod reader;
mod sink;
#[cfg(test)]
mod tests;

pub use control::MalformedControl;
pub(crate) use control::read_control;
pub use error::SubscriptionError;
pub(crate) use io::percent_encode;
pub use io::{ConnectionState, Input, LostInfo, OpenRequest, Output, ResponseHead, TimerKind};
pub use machine::{Subscription, SubscriptionConfig};
pub use position::From;
pub use reader::Stats;
pub use sink::{EventSink, FrameProblem};
