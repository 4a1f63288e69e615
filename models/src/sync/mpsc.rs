//! tokio's channel without a bound.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::Mutex;

#[derive(Debug)]
pub(crate) struct UnboundedSender<T>(Arc<Mutex<Channel<T>>>);

#[derive(Debug)]
pub(crate) struct UnboundedReceiver<T>(Arc<Mutex<Channel<T>>>);

#[derive(Debug)]
struct Channel<T> {
    waiting: VecDeque<T>,
    receiver: Option<Waker>,
}

pub(crate) fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let channel = Arc::new(Mutex::new(Channel { waiting: VecDeque::new(), receiver: None }));
    (UnboundedSender(Arc::clone(&channel)), UnboundedReceiver(channel))
}

impl<T> UnboundedSender<T> {
    /// Nobody in a model drops the receiver.
    pub(crate) fn send(&self, it: T) -> Result<(), T> {
        let mut channel = self.0.lock().unwrap();
        channel.waiting.push_back(it);
        let receiver = channel.receiver.take();
        drop(channel);
        if let Some(waker) = receiver {
            waker.wake();
        }
        Ok(())
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> UnboundedReceiver<T> {
    /// Never `None`: no model waits for a channel to end.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut channel = self.0.lock().unwrap();
            match channel.waiting.pop_front() {
                Some(it) => Poll::Ready(Some(it)),
                None => {
                    channel.receiver = Some(waker);
                    Poll::Pending
                }
            }
        })
        .await
    }
}
