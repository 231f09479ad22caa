// Values that go from goroutine to goroutine.
#ifndef WEFT_BENCH_CHANNELS_HPP
#define WEFT_BENCH_CHANNELS_HPP

#include "measure.hpp"
#include "numbers.hpp"

#include <weft/weft.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace workloads {

inline void ping_pong(std::int64_t ops, std::int64_t) {
  weft::chan<std::int64_t> ping, pong;
  weft::go([ping, pong] {
    for (std::int64_t v : ping) {
      pong.send(v);
    }
  });
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    ping.send(i);
    sum += *pong.recv();
  }
  ping.close();
  check(sum, ops);
}

inline void produce_consume(std::int64_t ops, std::int64_t capacity) {
  weft::chan<std::int64_t> values(static_cast<std::size_t>(capacity));
  weft::go([values, ops] {
    for (std::int64_t i = 0; i < ops; ++i) {
      values.send(i);
    }
    values.close();
  });
  std::int64_t sum = 0;
  for (std::int64_t v : values) {
    sum += v;
  }
  check(sum, ops);
}

inline void unbuffered(std::int64_t ops, std::int64_t) { produce_consume(ops, 0); }

// n producers and n consumers share one channel with room for 128 values.
inline void many_to_many(std::int64_t ops, std::int64_t n) {
  weft::chan<std::int64_t> values(128);
  weft::wait_group producers;
  for (std::int64_t p = 0; p < n; ++p) {
    producers.go([values, ops, p, n] {
      for (std::int64_t i = p; i < ops; i += n) {
        values.send(i);
      }
    });
  }
  std::vector<weft::join_handle<std::int64_t>> sums;
  for (std::int64_t c = 0; c < n; ++c) {
    sums.push_back(weft::spawn([values] {
      std::int64_t sum = 0;
      for (std::int64_t v : values) {
        sum += v;
      }
      return sum;
    }));
  }
  producers.wait();
  values.close();
  std::int64_t sum = 0;
  for (auto& s : sums) {
    sum += s.get();
  }
  check(sum, ops);
}

// A token goes `ops` hops round a ring of n goroutines; they are there before the clock starts.
inline void ring(std::int64_t ops, std::int64_t n) {
  std::vector<weft::chan<std::int64_t>> links(static_cast<std::size_t>(n));
  weft::chan<std::int64_t> done;
  weft::wait_group ready, gone;
  ready.add(n);
  for (std::size_t i = 0; i < links.size(); ++i) {
    const bool last = i + 1 == links.size();
    gone.go([&ready, done, last, in = links[i], out = links[last ? 0 : i + 1]] {
      ready.done();
      for (std::int64_t hops : in) {
        if (hops == 0) {
          done.send(0);
        } else {
          out.send(hops - 1);
        }
      }
      if (!last) {
        out.close();
      }
    });
  }
  ready.wait();
  watch.restart();
  links[0].send(ops - 1);
  expect(*done.recv(), 0);
  watch.stop();
  links[0].close();
  gone.wait();
}

// The first `ops` primes, by a chain of filters that grows by one with each prime.
inline void sieve(std::int64_t ops, std::int64_t) {
  const std::int64_t largest = nth_prime(ops);
  watch.restart();
  weft::chan<std::int64_t> numbers;
  weft::go([numbers, largest] {
    for (std::int64_t i = 2; i <= largest; ++i) {
      numbers.send(i);
    }
    numbers.close();
  });
  std::int64_t found = 0, prime = 0;
  for (weft::chan<std::int64_t> in = numbers; auto next = in.recv();) {
    prime = *next;
    ++found;
    weft::chan<std::int64_t> out;
    weft::go([in, out, prime] {
      for (std::int64_t v : in) {
        if (v % prime != 0) {
          out.send(v);
        }
      }
      out.close();
    });
    in = out;
  }
  expect(found, ops);
  expect(prime, largest);
}

// Values of Size bytes through room for 128 of them.
template <std::size_t Size>
void elements_of(std::int64_t ops) {
  struct element {
    std::array<std::int64_t, Size / 8> words{};
  };
  weft::chan<element> values(128);
  weft::go([values, ops] {
    element e;
    for (std::int64_t i = 0; i < ops; ++i) {
      e.words.front() = i;
      values.send(e);
    }
    values.close();
  });
  std::int64_t sum = 0;
  for (const element& e : values) {
    sum += e.words.front();
  }
  check(sum, ops);
}

inline void element(std::int64_t ops, std::int64_t size) {
  switch (size) {
    case 8: return elements_of<8>(ops);
    case 64: return elements_of<64>(ops);
    case 256: return elements_of<256>(ops);
    case 1024: return elements_of<1024>(ops);
    case 4096: return elements_of<4096>(ops);
    default: throw std::runtime_error("elements have 8, 64, 256, 1024 or 4096 bytes");
  }
}

}  // namespace workloads

#endif
