//! kanal's channels.

pub const HAS_ECHO: bool = false; // tokio has
/// A receive that loses in a select may have its value already, and drops it.
pub const SELECT_LOSES: bool = true;

pub type Tx<T> = kanal::AsyncSender<T>;
pub struct Rx<T>(kanal::AsyncReceiver<T>);

pub fn channel<T>(capacity: usize) -> (Tx<T>, Rx<T>) {
    let (tx, rx) = kanal::bounded_async(capacity);
    (tx, Rx(rx))
}

impl<T> Rx<T> {
    pub async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.ok()
    }
    pub fn share(&self) -> Option<Rx<T>> {
        Some(Rx(self.0.clone()))
    }
}

/// Where very many wait at once.
#[derive(Clone)]
pub struct Gate(kanal::AsyncReceiver<()>);
pub type Opener = kanal::AsyncSender<()>;

pub fn gate() -> (Opener, Gate) {
    let (tx, rx) = kanal::bounded_async(0);
    (tx, Gate(rx))
}

impl Gate {
    pub async fn wait(self) {
        let _ = self.0.recv().await;
    }
}
