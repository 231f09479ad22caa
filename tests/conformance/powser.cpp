// Go's test/chan/powser1: power series as channels of rational coefficients, each split, added
// and multiplied by goroutines of its own. A thousand small goroutines that wait on each other.
#include "support/catch.hpp"

#include <weft/weft.hpp>

#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace {

struct rational {
  long long num = 0;
  long long den = 1;
  friend bool operator==(const rational&, const rational&) = default;
};

rational make(long long n, long long d) {
  const long long g = std::gcd(n, d);
  if (g != 0) {
    n /= g;
    d /= g;
  }
  return d < 0 ? rational{-n, -d} : rational{n, d};
}

rational operator+(rational a, rational b) {
  return make(a.num * b.den + b.num * a.den, a.den * b.den);
}
rational operator*(rational a, rational b) { return make(a.num * b.num, a.den * b.den); }

// A coefficient is made only when it is asked for: request first, then receive.
struct series {
  weft::chan<void> request;
  weft::chan<rational> data;
  rational next() const {
    request.send();
    return *data.recv();
  }
};

template <class F>
series make_series(F f) {
  series s;
  weft::go([s, f = std::move(f)]() mutable { f(s); });
  return s;
}

void put(const series& s, rational r) {
  s.request.recv();
  s.data.send(r);
}

series constant_ones() {
  return make_series([](series s) {
    for (;;) put(s, {1, 1});
  });
}

series sum(series a, series b) {
  return make_series([a, b](series s) {
    for (;;) {
      s.request.recv();
      rational x = a.next();
      s.data.send(x + b.next());
    }
  });
}

// Two series with the same coefficients as one; each may run ahead of the other.
std::pair<series, series> split(series in) {
  std::pair<series, series> out;
  weft::go([in, out] {
    std::vector<rational> known;
    std::size_t at[2] = {0, 0};
    auto give = [&](int side, const series& s) {
      if (at[side] == known.size()) known.push_back(in.next());
      s.data.send(known[at[side]++]);
    };
    for (;;) {
      weft::select(weft::on_recv(out.first.request, [&](bool) { give(0, out.first); }),
                   weft::on_recv(out.second.request, [&](bool) { give(1, out.second); }));
    }
  });
  return out;
}

series scaled_by(rational c, series a) {
  return make_series([c, a](series s) {
    for (;;) {
      s.request.recv();
      s.data.send(c * a.next());
    }
  });
}

series shifted(series a) {
  return make_series([a](series s) {
    put(s, {0, 1});
    for (;;) {
      s.request.recv();
      s.data.send(a.next());
    }
  });
}

// (f0 + x f)(g0 + x g) = f0 g0 + x (f0 g + g0 f) + x^2 f g
series product(series f, series g) {
  return make_series([f, g](series s) {
    s.request.recv();
    const rational f0 = f.next();
    const rational g0 = g.next();
    s.data.send(f0 * g0);
    auto ff = split(f);
    auto gg = split(g);
    series rest = sum(sum(scaled_by(f0, gg.first), scaled_by(g0, ff.first)),
                      shifted(product(ff.second, gg.second)));
    for (;;) {
      s.request.recv();
      s.data.send(rest.next());
    }
  });
}

// The antiderivative with constant term c.
series integral(rational c, series a) {
  return make_series([c, a](series s) {
    put(s, c);
    for (long long i = 1;; ++i) {
      s.request.recv();
      s.data.send(make(1, i) * a.next());
    }
  });
}

std::vector<rational> first(series s, int n) {
  std::vector<rational> v;
  for (int i = 0; i < n; ++i) v.push_back(s.next());
  return v;
}

}  // namespace

TEST_CASE("powser1", "[go-test]") {
  weft::run([] {
    auto twos = first(sum(constant_ones(), constant_ones()), 10);
    CHECK((twos == std::vector<rational>(10, {2, 1})));

    // 1/(1-x) squared is 1 + 2x + 3x^2 + ...
    auto square = first(product(constant_ones(), constant_ones()), 12);
    for (int i = 0; i < 12; ++i) CHECK((square[i] == rational{i + 1, 1}));

    // -log(1-x) = x + x^2/2 + x^3/3 + ...
    auto logarithm = first(integral({0, 1}, constant_ones()), 10);
    for (int i = 1; i < 10; ++i) CHECK((logarithm[i] == make(1, i)));

    // The square of the integral of ones, plus itself shifted.
    auto mixed = first(sum(product(integral({1, 1}, constant_ones()), constant_ones()),
                           shifted(constant_ones())), 4);
    // (1 + x + x^2/2 + x^3/3) / (1-x) = 1 + 2x + 5/2 x^2 + 17/6 x^3; plus 0, 1, 1, 1.
    CHECK((mixed == std::vector<rational>{{1, 1}, {3, 1}, {7, 2}, {23, 6}}));
  });
}
