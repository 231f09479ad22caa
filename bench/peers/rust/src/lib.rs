//! What the Rust peers share: arguments, the time that counts, the line of JSON, and the numbers
//! that the workloads are to compute. See bench/peers/peer.hpp, which says the same for C++.

use std::sync::Mutex;
use std::time::Instant;

pub struct Request {
    pub variant: String,
    pub base: String,
    pub n: i64,
    pub workers: usize,
    pub ops: i64,
}

pub fn parse() -> Request {
    let args: Vec<String> = std::env::args().collect();
    if args.len() != 4 && args.len() != 5 {
        eprintln!("usage: {} [VARIANT] WORKLOAD WORKERS OPS", args[0]);
        std::process::exit(2);
    }
    let tail = &args[args.len() - 3..];
    let (base, n) = match tail[0].rsplit_once('_') {
        Some((base, digits)) if digits.parse::<i64>().is_ok() => (base, digits.parse().unwrap()),
        _ => (tail[0].as_str(), 1),
    };
    Request {
        variant: if args.len() == 5 { args[1].clone() } else { String::new() },
        base: base.to_string(),
        n,
        workers: tail[1].parse().expect("WORKERS"),
        ops: tail[2].parse().expect("OPS"),
    }
}

/// The peer does not have the workload.
pub fn not_here() -> ! {
    std::process::exit(3)
}

struct Watch {
    operations: i64,
    start: Instant,
    stop: Option<Instant>,
}

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

fn with_watch<R>(f: impl FnOnce(&mut Watch) -> R) -> R {
    let mut guard = WATCH.lock().unwrap();
    let fresh = || Watch { operations: 1, start: Instant::now(), stop: None };
    f(guard.get_or_insert_with(fresh))
}

pub fn start(ops: i64) {
    with_watch(|w| *w = Watch { operations: ops, start: Instant::now(), stop: None })
}
/// What came before was setting up.
pub fn restart() {
    with_watch(|w| w.start = Instant::now())
}
/// What comes after is tearing down.
pub fn stop() {
    with_watch(|w| w.stop = w.stop.or_else(|| Some(Instant::now())))
}
/// A workload that rounds the number of its operations says how many it did.
pub fn operations(n: i64) {
    with_watch(|w| w.operations = n)
}

pub fn report(bytes_per_op: Option<f64>) {
    let ns = with_watch(|w| {
        let elapsed = w.stop.expect("stopped").duration_since(w.start);
        elapsed.as_nanos() as f64 / w.operations as f64
    });
    match bytes_per_op {
        Some(bytes) => println!("{{\"ns_per_op\":{ns:.3},\"bytes_per_op\":{bytes:.1}}}"),
        None => println!("{{\"ns_per_op\":{ns:.3}}}"),
    }
}

/// What the process takes of the machine, in bytes: its pages and the tables that map them.
pub fn memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| -> i64 {
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:") + field("VmPTE:")) * 1024
}

pub fn check(sum: i64, ops: i64) {
    assert_eq!(sum, ops * (ops - 1) / 2);
}

pub fn fib_number(n: i64) -> i64 {
    let (mut a, mut b) = (0, 1);
    for _ in 0..n {
        (a, b) = (b, a + b);
    }
    a
}

/// The largest n such that fib(n) starts at most `most` tasks, and how many: fib(n + 1) - 1.
pub fn fib_size(most: i64) -> (i64, i64) {
    let mut n = 2;
    while fib_number(n + 2) - 1 <= most {
        n += 1;
    }
    (n, fib_number(n + 1) - 1)
}

pub fn power_of_ten(n: i64) -> i64 {
    let mut p = 1;
    while p * 10 <= n {
        p *= 10;
    }
    p
}

pub fn nth_prime(n: i64) -> i64 {
    let mut primes: Vec<i64> = Vec::new();
    let mut i = 2;
    while (primes.len() as i64) < n {
        if primes.iter().take_while(|&&p| p * p <= i).all(|p| i % p != 0) {
            primes.push(i);
        }
        i += 1;
    }
    *primes.last().unwrap()
}
