// send_chan and recv_chan: one direction each.
#include "collect.hpp"
#include "support/catch.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

using namespace std::chrono_literals;
using weft::chan_status;

namespace {

template <class C>
concept sends = requires(C c) { c.send(1); } || requires(C c) { c.try_send(1); } ||
                requires(C c) { c.send_for(1, 1ms); };
template <class C>
concept receives = requires(C c) { c.recv(); } || requires(C c) { c.begin(); };
template <class C>
concept closes = requires(C c) { c.close(); };

static_assert(sends<weft::chan<int>> && receives<weft::chan<int>> && closes<weft::chan<int>>);
static_assert(sends<weft::send_chan<int>> && !receives<weft::send_chan<int>>);
static_assert(closes<weft::send_chan<int>>);
static_assert(receives<weft::recv_chan<int>> && !sends<weft::recv_chan<int>>);
static_assert(!closes<weft::recv_chan<int>>);

static_assert(std::is_convertible_v<weft::chan<int>, weft::send_chan<int>>);
static_assert(std::is_convertible_v<weft::chan<int>, weft::recv_chan<int>>);
static_assert(!std::is_convertible_v<weft::send_chan<int>, weft::chan<int>>);
static_assert(!std::is_convertible_v<weft::recv_chan<int>, weft::chan<int>>);
static_assert(!std::is_constructible_v<weft::recv_chan<int>, weft::send_chan<int>>);
static_assert(!std::is_constructible_v<weft::send_chan<int>, weft::recv_chan<int>>);
static_assert(!std::is_convertible_v<weft::chan<int>, weft::send_chan<long>>);

void fill(weft::send_chan<int> out, int count) {
  for (int i = 0; i < count; ++i) out.send(i);
  out.close();
}

int drain(weft::recv_chan<int> in) {
  int sum = 0;
  for (int& v : in) sum += v;
  return sum;
}

}  // namespace

TEST_CASE("a chan converts to its ends", "[chan][ends]") {
  weft::chan<int> c(10);
  fill(c, 5);
  CHECK(drain(c) == 10);
  weft::run([] {
    weft::chan<int> d;
    weft::go(fill, d, 100);
    CHECK(drain(d) == 4950);
  });
}

TEST_CASE("ends are nil by default", "[chan][ends]") {
  weft::send_chan<int> s;
  weft::recv_chan<int> r;
  CHECK_FALSE(static_cast<bool>(s));
  CHECK_FALSE(static_cast<bool>(r));
  CHECK(s.size() == 0);
  CHECK(s.capacity() == 0);
  CHECK(r.size() == 0);
  CHECK(r.capacity() == 0);
  CHECK_FALSE(s.closed());
  CHECK_FALSE(r.closed());
  CHECK(s.try_send(1) == chan_status::full);
  CHECK(s.send_for(1, 1ms) == chan_status::timeout);
  CHECK(s.send_until(1, weft::clock::now()) == chan_status::timeout);
  CHECK_THROWS_AS(s.close(), weft::nil_channel);
  std::optional<int> out;
  CHECK(r.try_recv(out) == chan_status::empty);
  CHECK(r.recv_for(out, 1ms) == chan_status::timeout);
  CHECK(r.recv_until(out, weft::clock::now()) == chan_status::timeout);
  CHECK(weft::select(weft::on_recv(r), weft::on_send(s, 1), weft::on_default([] {})) == 2);
}

TEST_CASE("every member of the ends", "[chan][ends]") {
  weft::chan<std::string> c(2);
  weft::send_chan<std::string> s = c;
  weft::recv_chan<std::string> r = c;
  CHECK((s == weft::send_chan<std::string>(c)));
  CHECK((r == weft::recv_chan<std::string>(c)));
  CHECK((s != weft::send_chan<std::string>()));
  CHECK((r != weft::recv_chan<std::string>()));
  CHECK(static_cast<bool>(s));
  CHECK(static_cast<bool>(r));
  CHECK(s.capacity() == 2);
  CHECK(r.capacity() == 2);
  std::string text = "lvalue";
  s.send(text);
  CHECK(s.try_send("two") == chan_status::ok);
  CHECK(s.try_send("three") == chan_status::full);
  CHECK(s.send_for(text, 1ms) == chan_status::timeout);
  CHECK(s.send_until(text, weft::clock::now() + 1ms) == chan_status::timeout);
  CHECK(s.size() == 2);
  CHECK(r.size() == 2);
  CHECK(r.recv() == "lvalue");
  std::optional<std::string> out;
  CHECK(r.try_recv(out) == chan_status::ok);
  CHECK(out == "two");
  CHECK(r.recv_for(out, 1ms) == chan_status::timeout);
  s.send("four");
  CHECK(r.recv_until(out, weft::clock::now()) == chan_status::ok);
  CHECK(out == "four");
  s.close();
  CHECK(s.closed());
  CHECK(r.closed());
  CHECK((r.begin() == r.end()));
}

TEST_CASE("ends of chan<void>", "[chan][ends][void]") {
  weft::chan<void> c(1);
  weft::send_chan<void> s = c;
  weft::recv_chan<void> r = c;
  s.send();
  CHECK(s.try_send() == chan_status::full);
  CHECK(s.send_for(1ms) == chan_status::timeout);
  CHECK(r.recv());
  CHECK(r.try_recv() == chan_status::empty);
  CHECK(r.recv_for(1ms) == chan_status::timeout);
  s.close();
  CHECK_FALSE(r.recv());
}

TEST_CASE("an end keeps the channel alive", "[chan][ends]") {
  weft::recv_chan<std::shared_ptr<int>> r;
  auto token = std::make_shared<int>(3);
  {
    weft::chan<std::shared_ptr<int>> c(1);
    c.send(token);
    r = c;
  }
  CHECK(token.use_count() == 2);
  CHECK(**r.recv() == 3);
  {
    weft::chan<std::shared_ptr<int>> c(1);
    c.send(token);
    r = c;
  }
  CHECK(token.use_count() == 2);
  r = weft::recv_chan<std::shared_ptr<int>>();
  CHECK(token.use_count() == 1);
}

TEST_CASE("ends in select", "[chan][ends][select]") {
  weft::chan<int> c(1);
  weft::send_chan<int> s = c;
  weft::recv_chan<int> r = c;
  CHECK(weft::select(weft::on_recv(r), weft::on_send(s, 8)) == 1);
  int got = 0;
  CHECK(weft::select(weft::on_recv(r, [&](std::optional<int> v) { got = *v; }),
                     weft::on_send(s, 9)) == 0);
  CHECK(got == 8);
}
