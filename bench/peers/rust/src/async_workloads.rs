//! The workloads of bench/workloads/ on tokio's runtime, with the channels that the program has
//! chosen as `crate::channels`.

use crate::channels::{channel, gate, Rx, Tx, HAS_ECHO, SELECT_LOSES};
use std::future::{poll_fn, ready, Future};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, Notify};
use tokio::task::{spawn, yield_now};
use tokio::time::{sleep, Sleep};
use weft_bench_peers::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Counts down; leaked, so that tasks may refer to it.
struct WaitGroup {
    left: AtomicUsize,
    through: Notify,
}

impl WaitGroup {
    fn new(n: i64) -> &'static WaitGroup {
        let left = AtomicUsize::new(n as usize);
        Box::leak(Box::new(WaitGroup { left, through: Notify::new() }))
    }
    fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.through.notify_one();
        }
    }
    async fn wait(&self) {
        self.through.notified().await;
    }
}

async fn spawn_all(ops: i64) {
    let all = WaitGroup::new(ops);
    for _ in 0..ops {
        spawn(async { all.done() });
    }
    all.wait().await;
}

async fn spawn_join(ops: i64) {
    let mut sum = 0;
    for i in 0..ops {
        sum += spawn(async move { i }).await.unwrap();
    }
    check(sum, ops);
}

async fn yield_two(ops: i64) {
    let both = WaitGroup::new(2);
    for _ in 0..2 {
        spawn(async move {
            for _ in 0..ops / 2 {
                yield_now().await;
            }
            both.done();
        });
    }
    both.wait().await;
}

fn fib_of(n: i64) -> Pin<Box<dyn Future<Output = i64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let first = spawn(fib_of(n - 1));
        let second = fib_of(n - 2).await;
        first.await.unwrap() + second
    })
}

async fn fib(ops: i64) {
    let (n, spawned) = fib_size(ops);
    operations(spawned);
    assert_eq!(fib_of(n).await, fib_number(n));
}

fn skynet_node(result: Tx<i64>, first: i64, leaves: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            let _ = result.send(first).await;
            return;
        }
        let (tx, mut rx) = channel(0);
        for i in 0..10 {
            spawn(skynet_node(tx.clone(), first + i * (leaves / 10), leaves / 10));
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += rx.recv().await.unwrap();
        }
        let _ = result.send(sum).await;
    })
}

async fn skynet(ops: i64) {
    let leaves = power_of_ten(ops);
    operations(leaves);
    let (tx, mut rx) = channel(0);
    spawn(skynet_node(tx, 0, leaves));
    check(rx.recv().await.unwrap(), leaves);
}

async fn ping_pong(ops: i64) {
    let (ping_tx, mut ping_rx) = channel::<i64>(0);
    let (pong_tx, mut pong_rx) = channel::<i64>(0);
    spawn(async move {
        while let Some(v) = ping_rx.recv().await {
            let _ = pong_tx.send(v).await;
        }
    });
    let mut sum = 0;
    for i in 0..ops {
        let _ = ping_tx.send(i).await;
        sum += pong_rx.recv().await.unwrap();
    }
    check(sum, ops);
}

async fn produce_consume(ops: i64, capacity: i64) {
    let (tx, mut rx) = channel::<i64>(capacity as usize);
    spawn(async move {
        for i in 0..ops {
            let _ = tx.send(i).await;
        }
    });
    let mut sum = 0;
    while let Some(v) = rx.recv().await {
        sum += v;
    }
    check(sum, ops);
}

async fn many_to_many(ops: i64, n: i64) {
    let (tx, rx) = channel::<i64>(128);
    for p in 0..n {
        let tx = tx.clone();
        spawn(async move {
            for i in (p..ops).step_by(n as usize) {
                let _ = tx.send(i).await;
            }
        });
    }
    drop(tx);
    let mut sums = Vec::new();
    for _ in 0..n {
        let Some(mut rx) = rx.share() else { not_here() };
        sums.push(spawn(async move {
            let mut sum = 0;
            while let Some(v) = rx.recv().await {
                sum += v;
            }
            sum
        }));
    }
    let mut sum = 0;
    for s in sums {
        sum += s.await.unwrap();
    }
    check(sum, ops);
}

/// The token goes round until it is 0; below zero it ends who gets it.
async fn ring(ops: i64, n: i64) {
    let (mut txs, mut rxs) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let (tx, rx) = channel::<i64>(0);
        txs.push(tx);
        rxs.push(rx);
    }
    let (done_tx, mut done_rx) = channel::<i64>(0);
    let there = WaitGroup::new(n);
    for (i, mut rx) in rxs.into_iter().enumerate() {
        let (tx, done) = (txs[(i + 1) % n as usize].clone(), done_tx.clone());
        spawn(async move {
            there.done();
            while let Some(hops) = rx.recv().await {
                if hops == 0 {
                    let _ = done.send(0).await;
                } else {
                    let _ = tx.send(hops - 1).await;
                    if hops < 0 {
                        break;
                    }
                }
            }
        });
    }
    there.wait().await;
    restart();
    let _ = txs[0].send(ops - 1).await;
    done_rx.recv().await;
    stop();
    let _ = txs[0].send(-1).await;
}

async fn sieve(ops: i64) {
    let largest = nth_prime(ops);
    restart();
    let (tx, mut rx) = channel::<i64>(0);
    spawn(async move {
        for i in 2..=largest {
            let _ = tx.send(i).await;
        }
    });
    let mut found = 0;
    while let Some(prime) = rx.recv().await {
        found += 1;
        let (next_tx, next_rx) = channel::<i64>(0);
        let mut input: Rx<i64> = std::mem::replace(&mut rx, next_rx);
        spawn(async move {
            while let Some(v) = input.recv().await {
                if v % prime != 0 {
                    let _ = next_tx.send(v).await;
                }
            }
        });
    }
    assert_eq!(found, ops);
}

/// Where a select may lose values, the channels are fed for as long as somebody receives.
fn fed_channels(ops: i64, n: i64) -> Vec<Rx<i64>> {
    let end = if SELECT_LOSES { i64::MAX } else { ops };
    (0..n)
        .map(|k| {
            let (tx, rx) = channel::<i64>(0);
            spawn(async move {
                for i in (k..end).step_by(n as usize) {
                    if tx.send(i).await.is_err() {
                        break;
                    }
                }
            });
            rx
        })
        .collect()
}

fn check_selected(sum: i64, ops: i64) {
    if !SELECT_LOSES {
        check(sum, ops);
    }
}

async fn select_2(ops: i64) {
    let [mut a, mut b] = <[Rx<i64>; 2]>::try_from(fed_channels(ops, 2)).ok().unwrap();
    let mut sum = 0;
    for _ in 0..ops {
        tokio::select! {
            Some(v) = a.recv() => sum += v,
            Some(v) = b.recv() => sum += v,
            else => unreachable!(),
        }
    }
    check_selected(sum, ops);
}

async fn select_timeout_8(ops: i64) {
    let all = <[Rx<i64>; 8]>::try_from(fed_channels(ops, 8)).ok().unwrap();
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = all;
    let mut sum = 0;
    for _ in 0..ops {
        tokio::select! {
            Some(v) = a.recv() => sum += v,
            Some(v) = b.recv() => sum += v,
            Some(v) = c.recv() => sum += v,
            Some(v) = d.recv() => sum += v,
            Some(v) = e.recv() => sum += v,
            Some(v) = f.recv() => sum += v,
            Some(v) = g.recv() => sum += v,
            Some(v) = h.recv() => sum += v,
            _ = sleep(HOUR) => unreachable!(),
        }
    }
    check_selected(sum, ops);
}

async fn select_default(ops: i64, n: i64) {
    let (_tx_a, mut a) = channel::<i64>(0);
    let (_tx_b, mut b) = channel::<i64>(0);
    let mut nothing = 0;
    for _ in 0..ops {
        if n == 1 {
            tokio::select! {
                biased;
                _ = a.recv() => {}
                _ = ready(()) => nothing += 1,
            }
        } else {
            tokio::select! {
                biased;
                _ = a.recv() => {}
                _ = b.recv() => {}
                _ = ready(()) => nothing += 1,
            }
        }
    }
    assert_eq!(nothing, ops);
}

async fn mutex(ops: i64, n: i64) {
    let m: &'static Mutex<i64> = Box::leak(Box::new(Mutex::new(0)));
    let each = ops / n;
    if n == 1 {
        for _ in 0..ops {
            *m.lock().await += 1;
        }
    } else {
        operations(each * n);
        let all = WaitGroup::new(n);
        for _ in 0..n {
            spawn(async move {
                for _ in 0..each {
                    *m.lock().await += 1;
                }
                all.done();
            });
        }
        all.wait().await;
    }
    assert_eq!(*m.lock().await, each * n);
}

/// A sleep counts from its first poll on.
async fn set(timer: &mut Pin<&mut Sleep>) {
    poll_fn(|cx| {
        assert!(timer.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await
}

async fn timer(ops: i64, n: i64) {
    let mut others = Vec::new();
    for i in 1..n {
        let mut other = Box::pin(sleep(HOUR + Duration::from_millis(i as u64)));
        set(&mut other.as_mut()).await;
        others.push(other);
    }
    restart();
    for _ in 0..ops {
        let mut t = pin!(sleep(HOUR));
        set(&mut t).await;
    }
    stop();
}

async fn sleepers(ops: i64) {
    let all = WaitGroup::new(ops);
    for _ in 0..ops {
        spawn(async {
            sleep(Duration::from_secs(1)).await;
            all.done();
        });
    }
    all.wait().await;
}

async fn parked(ops: i64) -> f64 {
    let (opener, gate) = gate();
    let (there, gone) = (WaitGroup::new(ops), WaitGroup::new(ops));
    let before = memory();
    restart();
    for _ in 0..ops {
        let gate = gate.clone();
        spawn(async {
            there.done();
            gate.wait().await;
            gone.done();
        });
    }
    there.wait().await;
    stop();
    let bytes = (memory() - before) as f64 / ops as f64;
    drop(opener);
    gone.wait().await;
    bytes
}

async fn echo() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    loop {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.set_nodelay(true).unwrap();
        spawn(async move {
            let mut buffer = [0u8; 4096];
            while let Ok(n) = connection.read(&mut buffer).await {
                if n == 0 || connection.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn run(base: &str, ops: i64, n: i64) {
    match base {
        "spawn" => spawn_all(ops).await,
        "spawn_join" => spawn_join(ops).await,
        "yield" => yield_two(ops).await,
        "fib" => fib(ops).await,
        "skynet" => skynet(ops).await,
        "ping_pong" => ping_pong(ops).await,
        "unbuffered" => produce_consume(ops, 0).await,
        "buffered" => produce_consume(ops, n).await,
        "many_to_many" => many_to_many(ops, n).await,
        "ring" => ring(ops, n).await,
        "sieve" => sieve(ops).await,
        "select" if n == 2 => select_2(ops).await,
        "select_timeout" if n == 8 => select_timeout_8(ops).await,
        "select_default" => select_default(ops, n).await,
        "mutex" => mutex(ops, n).await,
        "timer" => timer(ops, n).await,
        _ => not_here(),
    }
}

/// All of it in a task, as a server's code is.
pub async fn peer(r: Request) {
    match r.base.as_str() {
        "echo" if HAS_ECHO => echo().await,
        "parked" => {
            start(r.ops);
            let bytes = parked(r.ops).await;
            report(Some(bytes));
        }
        "sleepers" => {
            start(r.ops);
            sleepers(r.ops).await;
            stop();
            report(None);
        }
        base => {
            run(base, r.ops, r.n).await;
            start(r.ops);
            run(base, r.ops, r.n).await;
            stop();
            report(None);
        }
    }
}

/// The variant `current_thread` has one worker, the caller's thread.
pub fn main_with(r: Request) {
    let runtime = if r.variant == "current_thread" {
        if r.workers != 1 {
            not_here();
        }
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(r.workers).enable_all().build()
    };
    let runtime = runtime.unwrap();
    runtime.block_on(async { spawn(peer(r)).await }).unwrap();
    // What is left need not be dropped one by one.
    std::process::exit(0);
}
