//! tokio's own channels. They are never unbuffered: capacity one stands for that.

use tokio::sync::{mpsc, watch};

pub const HAS_ECHO: bool = true;
pub const SELECT_LOSES: bool = false;

pub type Tx<T> = mpsc::Sender<T>;
pub struct Rx<T>(mpsc::Receiver<T>);

pub fn channel<T>(capacity: usize) -> (Tx<T>, Rx<T>) {
    let (tx, rx) = mpsc::channel(capacity.max(1));
    (tx, Rx(rx))
}

impl<T> Rx<T> {
    pub async fn recv(&mut self) -> Option<T> {
        self.0.recv().await
    }
    /// One more receiver of the same channel: tokio has none.
    pub fn share(&self) -> Option<Rx<T>> {
        None
    }
}

/// Where very many wait at once.
#[derive(Clone)]
pub struct Gate(watch::Receiver<()>);
pub type Opener = watch::Sender<()>;

pub fn gate() -> (Opener, Gate) {
    let (tx, rx) = watch::channel(());
    (tx, Gate(rx))
}

impl Gate {
    pub async fn wait(mut self) {
        let _ = self.0.changed().await;
    }
}
