//! may: coroutines with stacks. Its channels have no bound.

use may::coroutine::{self, yield_now};
use may::go;
use may::net::TcpListener;
use may::sync::{mpmc, mpsc, Mutex, SyncFlag};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use weft_bench_peers::*;

struct WaitGroup {
    left: AtomicUsize,
    through: SyncFlag,
}

impl WaitGroup {
    fn new(n: i64) -> &'static WaitGroup {
        let left = AtomicUsize::new(n as usize);
        Box::leak(Box::new(WaitGroup { left, through: SyncFlag::new() }))
    }
    fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.through.fire();
        }
    }
    fn wait(&self) {
        self.through.wait();
    }
}

fn spawn_all(ops: i64) {
    let all = WaitGroup::new(ops);
    for _ in 0..ops {
        go!(|| all.done());
    }
    all.wait();
}

fn spawn_join(ops: i64) {
    let mut sum = 0;
    for i in 0..ops {
        sum += go!(move || i).join().unwrap();
    }
    check(sum, ops);
}

fn yield_two(ops: i64) {
    let both = WaitGroup::new(2);
    for _ in 0..2 {
        go!(move || {
            for _ in 0..ops / 2 {
                yield_now();
            }
            both.done();
        });
    }
    both.wait();
}

fn fib_of(n: i64) -> i64 {
    if n < 2 {
        return n;
    }
    let first = go!(move || fib_of(n - 1));
    let second = fib_of(n - 2);
    first.join().unwrap() + second
}

fn fib(ops: i64) {
    let (n, spawned) = fib_size(ops);
    operations(spawned);
    assert_eq!(fib_of(n), fib_number(n));
}

fn skynet_node(result: mpsc::Sender<i64>, first: i64, leaves: i64) {
    if leaves == 1 {
        result.send(first).unwrap();
        return;
    }
    let (tx, rx) = mpsc::channel();
    for i in 0..10 {
        let tx = tx.clone();
        go!(move || skynet_node(tx, first + i * (leaves / 10), leaves / 10));
    }
    let sum = (0..10).map(|_| rx.recv().unwrap()).sum();
    result.send(sum).unwrap();
}

fn skynet(ops: i64) {
    let leaves = power_of_ten(ops);
    operations(leaves);
    let (tx, rx) = mpsc::channel();
    go!(move || skynet_node(tx, 0, leaves));
    check(rx.recv().unwrap(), leaves);
}

fn ping_pong(ops: i64) {
    let (ping_tx, ping_rx) = mpsc::channel::<i64>();
    let (pong_tx, pong_rx) = mpsc::channel::<i64>();
    go!(move || {
        for v in ping_rx {
            pong_tx.send(v).unwrap();
        }
    });
    let mut sum = 0;
    for i in 0..ops {
        ping_tx.send(i).unwrap();
        sum += pong_rx.recv().unwrap();
    }
    check(sum, ops);
}

fn produce_consume(ops: i64) {
    let (tx, rx) = mpsc::channel::<i64>();
    go!(move || {
        for i in 0..ops {
            tx.send(i).unwrap();
        }
    });
    check(rx.iter().sum(), ops);
}

fn many_to_many(ops: i64, n: i64) {
    let (tx, rx) = mpmc::channel::<i64>();
    for p in 0..n {
        let tx = tx.clone();
        go!(move || {
            for i in (p..ops).step_by(n as usize) {
                tx.send(i).unwrap();
            }
        });
    }
    drop(tx);
    let sums: Vec<_> = (0..n)
        .map(|_| {
            let rx = rx.clone();
            go!(move || {
                let mut sum = 0;
                while let Ok(v) = rx.recv() {
                    sum += v;
                }
                sum
            })
        })
        .collect();
    check(sums.into_iter().map(|s| s.join().unwrap()).sum(), ops);
}

/// The token goes round until it is 0; below zero it ends who gets it.
fn ring(ops: i64, n: i64) {
    let (txs, rxs): (Vec<_>, Vec<_>) = (0..n).map(|_| mpsc::channel::<i64>()).unzip();
    let (done_tx, done_rx) = mpsc::channel();
    let there = WaitGroup::new(n);
    for (i, rx) in rxs.into_iter().enumerate() {
        let (tx, done) = (txs[(i + 1) % n as usize].clone(), done_tx.clone());
        go!(move || {
            there.done();
            for hops in rx {
                if hops == 0 {
                    done.send(()).unwrap();
                } else {
                    let _ = tx.send(hops - 1);
                    if hops < 0 {
                        break;
                    }
                }
            }
        });
    }
    there.wait();
    restart();
    txs[0].send(ops - 1).unwrap();
    done_rx.recv().unwrap();
    stop();
    txs[0].send(-1).unwrap();
}

fn sieve(ops: i64) {
    let largest = nth_prime(ops);
    restart();
    let (tx, mut rx) = mpsc::channel::<i64>();
    go!(move || {
        for i in 2..=largest {
            tx.send(i).unwrap();
        }
    });
    let mut found = 0;
    while let Ok(prime) = rx.recv() {
        found += 1;
        let (next_tx, next_rx) = mpsc::channel::<i64>();
        let input = std::mem::replace(&mut rx, next_rx);
        go!(move || {
            for v in input {
                if v % prime != 0 {
                    next_tx.send(v).unwrap();
                }
            }
        });
    }
    assert_eq!(found, ops);
}

fn fed_channels(ops: i64, n: i64) -> Vec<mpsc::Receiver<i64>> {
    let feed = |k: i64| {
        let (tx, rx) = mpsc::channel::<i64>();
        go!(move || {
            for i in (k..ops).step_by(n as usize) {
                tx.send(i).unwrap();
            }
        });
        rx
    };
    (0..n).map(feed).collect()
}

fn select_2(ops: i64) {
    let c = fed_channels(ops, 2);
    let mut sum = 0;
    for _ in 0..ops {
        let mut got = [None, None];
        let [a, b] = &mut got;
        may::select!(
            v = c[0].recv() => *a = v.ok(),
            v = c[1].recv() => *b = v.ok()
        );
        sum += got.iter().flatten().sum::<i64>();
    }
    // The case that loses may have received, too, and drops it: the sum cannot be checked.
    std::hint::black_box(sum);
}

fn select_default(ops: i64, n: i64) {
    let (_tx_a, a) = mpsc::channel::<i64>();
    let (_tx_b, b) = mpsc::channel::<i64>();
    let mut nothing = 0;
    for _ in 0..ops {
        if a.try_recv().is_err() && (n == 1 || b.try_recv().is_err()) {
            nothing += 1;
        }
    }
    assert_eq!(nothing, ops);
}

fn mutex(ops: i64, n: i64) {
    let m: &'static Mutex<i64> = Box::leak(Box::new(Mutex::new(0)));
    let each = ops / n;
    if n == 1 {
        for _ in 0..ops {
            *m.lock().unwrap() += 1;
        }
    } else {
        operations(each * n);
        let all = WaitGroup::new(n);
        for _ in 0..n {
            go!(move || {
                for _ in 0..each {
                    *m.lock().unwrap() += 1;
                }
                all.done();
            });
        }
        all.wait();
    }
    assert_eq!(*m.lock().unwrap(), each * n);
}

fn sleepers(ops: i64) {
    let all = WaitGroup::new(ops);
    for _ in 0..ops {
        go!(|| {
            coroutine::sleep(Duration::from_secs(1));
            all.done();
        });
    }
    all.wait();
}

fn parked(ops: i64) -> f64 {
    let (opener, gate) = mpmc::channel::<i64>();
    let (there, gone) = (WaitGroup::new(ops), WaitGroup::new(ops));
    let before = memory();
    restart();
    for _ in 0..ops {
        let gate = gate.clone();
        go!(move || {
            there.done();
            let _ = gate.recv();
            gone.done();
        });
    }
    there.wait();
    stop();
    let bytes = (memory() - before) as f64 / ops as f64;
    drop(opener);
    gone.wait();
    bytes
}

fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    for connection in listener.incoming() {
        let mut connection = connection.unwrap();
        connection.set_nodelay(true).unwrap();
        go!(move || {
            let mut buffer = [0u8; 4096];
            while let Ok(n) = connection.read(&mut buffer) {
                if n == 0 || connection.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
        });
    }
}

fn run(base: &str, ops: i64, n: i64) {
    match base {
        "spawn" => spawn_all(ops),
        "spawn_join" => spawn_join(ops),
        "yield" => yield_two(ops),
        "fib" => fib(ops),
        "skynet" => skynet(ops),
        "ping_pong" => ping_pong(ops),
        "buffered" if n == 128 => produce_consume(ops),
        "many_to_many" => many_to_many(ops, n),
        "ring" => ring(ops, n),
        "sieve" => sieve(ops),
        "select" if n == 2 => select_2(ops),
        "select_default" => select_default(ops, n),
        "mutex" => mutex(ops, n),
        _ => not_here(),
    }
}

fn peer(r: Request) {
    match r.base.as_str() {
        "echo" => echo(),
        "parked" => {
            start(r.ops);
            let bytes = parked(r.ops);
            report(Some(bytes));
        }
        "sleepers" => {
            start(r.ops);
            sleepers(r.ops);
            stop();
            report(None);
        }
        base => {
            run(base, r.ops, r.n);
            start(r.ops);
            run(base, r.ops, r.n);
            stop();
            report(None);
        }
    }
}

fn main() {
    let r = parse();
    may::config().set_workers(r.workers);
    go!(move || peer(r)).join().unwrap();
    std::process::exit(0);
}
