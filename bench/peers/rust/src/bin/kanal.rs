//! tokio with kanal's channels.
#[path = "../async_workloads.rs"]
mod async_workloads;
#[path = "../kanal_channels.rs"]
mod channels;

fn main() {
    async_workloads::main_with(weft_bench_peers::parse());
}
