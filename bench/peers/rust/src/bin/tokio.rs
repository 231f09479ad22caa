//! tokio with its own channels.
#[path = "../async_workloads.rs"]
mod async_workloads;
#[path = "../tokio_channels.rs"]
mod channels;

fn main() {
    async_workloads::main_with(weft_bench_peers::parse());
}
