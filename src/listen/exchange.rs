//! Requests under way on connections that carry one at a time, and where their state lies.
//!
//! The state of an exchange is larger than that of its connection, and most end soon after they begin. Kept with its
//! connection it would be in no cache when that connection's next request comes, as soon as there are some hundred connections,
//! and would lie idle with it. So it lies where the exchange that ended last has lain.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http_body::Body;
use hyper::body::Incoming;

use super::connection::Connection;

/// An answer as hyper wants it.
pub(super) type Answered<B> = Result<http::Response<B>, Infallible>;

/// Begins exchanges.
pub(super) trait Exchanges: 'static {
    /// The body of an answer.
    type Body: Body<Error = Infallible> + 'static;
    type Exchange: Future<Output = Answered<Self::Body>>;

    fn begin(&self, request: http::Request<Incoming>, connection: &Rc<Connection>) -> Self::Exchange;
}

/// Exchanges whose memory is that of earlier ones.
pub(super) struct Recycling<M, F> {
    make: M,
    ended: Rc<Ended<F>>,
}

/// The memory of exchanges that have ended, the last one's on top.
struct Ended<F>(RefCell<Vec<Place<F>>>);

type Place<F> = Pin<Box<Option<F>>>;

/// Places that are kept for the next exchanges. Durable events have theirs until they are synced, and a batch is some hundred.
const PLACES_KEPT: usize = 512;

impl<M, F> Recycling<M, F>
where
    M: Fn(http::Request<Incoming>, Rc<Connection>) -> F,
{
    /// `make` gives what answers a request.
    pub(super) fn new(make: M) -> Self {
        Self { make, ended: Rc::new(Ended(RefCell::default())) }
    }
}

impl<M, F, B> Exchanges for Recycling<M, F>
where
    M: Fn(http::Request<Incoming>, Rc<Connection>) -> F + 'static,
    F: Future<Output = Answered<B>> + 'static,
    B: Body<Error = Infallible> + 'static,
{
    type Body = B;
    type Exchange = Exchange<F>;

    fn begin(&self, request: http::Request<Incoming>, connection: &Rc<Connection>) -> Exchange<F> {
        Exchange::begin((self.make)(request, Rc::clone(connection)), &self.ended)
    }
}

/// One exchange. Dropped before its end, it gives its place back too.
pub(super) struct Exchange<F> {
    place: Option<Place<F>>,
    ended: Rc<Ended<F>>,
}

impl<F: Future> Future for Exchange<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(exchange) = self.place.as_mut().and_then(|place| place.as_mut().as_pin_mut()) else {
            return Poll::Pending;
        };
        let answer = ready!(exchange.poll(cx));
        self.end();
        Poll::Ready(answer)
    }
}

impl<F> Exchange<F> {
    fn begin(exchange: F, ended: &Rc<Ended<F>>) -> Self {
        let mut place = ended.0.borrow_mut().pop().unwrap_or_else(|| Box::pin(None));
        place.set(Some(exchange));
        Self { place: Some(place), ended: Rc::clone(ended) }
    }

    fn end(&mut self) {
        let Some(mut place) = self.place.take() else { return };
        place.set(None);
        let mut ended = self.ended.0.borrow_mut();
        if ended.len() < PLACES_KEPT {
            ended.push(place);
        }
    }
}

impl<F> Drop for Exchange<F> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn address<F>(exchange: &Exchange<F>) -> usize {
        std::ptr::from_ref(&**exchange.place.as_ref().expect("a place")).addr()
    }

    #[tokio::test]
    async fn an_exchange_lies_where_the_last_one_to_end_has_lain() {
        let ended = Rc::new(Ended(RefCell::default()));
        let exchange = Exchange::begin(ready(1), &ended);
        let place = address(&exchange);
        assert_eq!(exchange.await, 1);
        assert_eq!(ended.0.borrow().len(), 1);
        let next = Exchange::begin(ready(2), &ended);
        assert_eq!(address(&next), place);
    }

    #[test]
    fn one_that_is_given_up_gives_back_its_place_and_what_it_holds() {
        let ended = Rc::new(Ended(RefCell::default()));
        let held = Rc::new(());
        let kept = Rc::clone(&held);
        let holding = async move {
            pending::<()>().await;
            drop(kept);
        };
        let exchange = Exchange::begin(holding, &ended);
        drop(exchange);
        assert_eq!((ended.0.borrow().len(), Rc::strong_count(&held)), (1, 1));
    }
}
