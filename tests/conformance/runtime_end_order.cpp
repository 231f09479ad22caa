// run's end: the waits are decided before anybody unwinds; handles and groups hear of the end.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using weft_test::at_end;
using weft_test::until_parked;

TEST_CASE("nobody who is parked sees what another's unwinding does", "[runtime][end]") {
  std::atomic<int> disturbed = 0;
  std::atomic<int> exits = 0;
  const int rounds = weft_test::scaled(50);
  for (int round = 0; round < rounds; ++round) {
    weft::run([&] {
      weft::chan<int> value;
      weft::chan<int> closing;
      weft::chan<int> full(1);
      full.send(0);
      auto waits = [&](auto wait) {
        weft::go([&disturbed, &exits, wait] {
          try {
            wait();
            ++disturbed;
          } catch (const weft::goroutine_exit&) {
            ++exits;
            throw;
          }
        });
      };
      // The one that disturbs stands before and after those who wait.
      auto disturbs = [&] {
        weft::go([value, closing, full] {
          at_end act([&] {
            value.try_send(1);
            if (!closing.closed()) closing.close();
            std::optional<int> out;
            full.try_recv(out);
          });
          weft::chan<int>().recv();
        });
      };
      if (round % 2 == 0) disturbs();
      waits([value] { value.recv(); });
      waits([closing] { closing.recv(); });
      waits([value, closing] { weft::select(weft::on_recv(value), weft::on_recv(closing)); });
      waits([full] { full.send(1); });
      if (round % 2 != 0) disturbs();
      until_parked(5);
    });
  }
  CHECK(disturbed == 0);
  CHECK(exits == 4 * rounds);
}

TEST_CASE("nobody who is parked sees what the unwinding of one that runs does", "[runtime][end]") {
  // It gets goroutine_exit at its next yield, maybe as the first of all; the others are decided.
  std::atomic<int> disturbed = 0;
  std::atomic<int> exits = 0;
  const int rounds = int(weft_test::scaled(300)) + 3;
  for (int round = 0; round < rounds; ++round) {
    weft::chan<int> value;
    weft::chan<int> closing;
    weft::run({.workers = 2}, [&] {
      weft::chan<void> started;
      for (auto& c : {value, closing}) {
        weft::go([&, c] {
          try {
            c.recv();
            ++disturbed;
          } catch (const weft::goroutine_exit&) {
            ++exits;
            throw;
          }
        });
      }
      weft::go([&, started] {
        at_end act([&] {
          value.try_send(1);
          closing.close();
        });
        started.send();
        for (;;) weft::yield();
      });
      started.recv();
      until_parked(2);
      for (int i = 0; i < round % 10; ++i) weft::yield();
    });
  }
  CHECK(disturbed == 0);
  CHECK(exits == 2 * rounds);
}

TEST_CASE("goroutine_exit ends every kind of wait", "[runtime][end]") {
  weft::mutex locked;
  weft::wait_group open;
  weft::pipe_ends ends = weft::pipe();
  locked.lock();
  open.add(1);
  struct kind {
    std::string name;
    std::function<void()> wait;
  };
  weft::chan<int> full(1);
  full.send(1);
  weft::chan<int> empty;
  const std::vector<kind> kinds = {
      {"recv", [=] { empty.recv(); }},
      {"send to a full one", [=] { full.send(2); }},
      {"send unbuffered", [] { weft::chan<int>().send(2); }},
      {"recv from nil", [] { weft::chan<int>(nullptr).recv(); }},
      {"send to nil", [] { weft::chan<int>(nullptr).send(1); }},
      {"recv_for", [=] {
         std::optional<int> out;
         empty.recv_for(out, 1h);
       }},
      {"send_for", [=] { full.send_for(1, 1h); }},
      {"select", [=] { weft::select(weft::on_recv(empty), weft::on_send(full, 3)); }},
      {"select with time-out", [=] { weft::select(weft::on_recv(empty), weft::on_timeout(1h)); }},
      {"select of nothing", [] { weft::select(); }},
      {"sleep_for", [] { weft::sleep_for(1h); }},
      {"sleep_until", [] { weft::sleep_until(weft::clock::now() + 1h); }},
      {"after", [] { weft::after(1h).recv(); }},
      {"mutex", [&] { locked.lock(); }},
      {"wait_group", [&] { open.wait(); }},
      {"wait_group for", [&] { open.wait_for(1h); }},
      {"wait_readable", [&] { weft::wait_readable(ends.reader.get()); }},
      {"read", [&] {
         std::byte one[1];
         ends.reader.read(one);
       }},
      {"select readable", [&] { weft::select(weft::on_readable(ends.reader.get(), [] {})); }},
      {"join", [] { weft::spawn([] { weft::chan<int>().recv(); }).wait(); }},
      {"yield", [] {
         for (;;) weft::yield();
       }},
  };
  weft_test::notes notes;
  for (const kind& k : kinds) {
    std::atomic<int> exits = 0;
    weft::run([&] {
      weft::chan<void> started;
      weft::go([&, started] {
        started.send();
        try {
          k.wait();
          notes.add(k.name + " returned");
        } catch (const weft::goroutine_exit&) {
          ++exits;
        } catch (...) {
          notes.add(k.name + " threw something else");
        }
      });
      started.recv();
      if (k.name != "yield") until_parked(1);
    });
    notes.expect(exits == 1, k.name + ": no goroutine_exit");
  }
  locked.unlock();
  open.done();
  CHECK(notes.text() == "");
}

TEST_CASE("a handle counts an unstarted or an unwound goroutine as ended", "[runtime][end]") {
  std::optional<weft::join_handle<int>> unstarted;
  std::optional<weft::join_handle<int>> parked;
  weft::run({.workers = 1}, [&] {
    parked = weft::spawn([]() -> int { return weft::chan<int>().recv().value(); });
    until_parked(1);
    unstarted = weft::spawn([] { return 1; });
  });
  unstarted->wait();
  CHECK(unstarted->done());
  CHECK_THROWS_AS(unstarted->get(), weft::no_result);
  parked->wait();
  CHECK(parked->done());
  CHECK_THROWS_AS(parked->get(), weft::no_result);
}

TEST_CASE("a wait group counts unstarted goroutines as ended", "[runtime][end]") {
  weft::wait_group group;
  std::atomic<int> ran = 0;
  weft::run({.workers = 1}, [&] {
    for (int i = 0; i < 100; ++i) group.go([&] { ++ran; });
  });
  group.wait();
  CHECK(ran == 0);
}

TEST_CASE("go and spawn at the end destroy their callables as unstarted", "[runtime][end]") {
  auto token = std::make_shared<int>(1);
  std::atomic<int> ran = 0;
  std::atomic<bool> no_result = false;
  weft::run([&] {
    weft::chan<void> started;
    weft::go([&, started] {
      at_end late([&] {
        weft::go([token, &ran] { ++ran; });
        try {
          weft::spawn([token, &ran] { ++ran; }).get();
        } catch (const weft::no_result&) {
          no_result = true;
        }
      });
      started.send();
      weft::chan<int>().recv();
    });
    started.recv();
  });
  CHECK(ran == 0);
  CHECK(no_result);
  CHECK(token.use_count() == 1);
}

TEST_CASE("main's own destructors may still talk to the others", "[runtime][end]") {
  // run ends when its function has returned, and with it its locals' destructors.
  std::shared_ptr<int> answer = weft::run([] {
    weft::chan<int> ask;
    weft::chan<int> reply;
    weft::go([ask, reply] { reply.send(*ask.recv() + 1); });
    auto answer = std::make_shared<int>(0);
    at_end talk([=] {
      ask.send(41);
      *answer = *reply.recv();
    });
    return answer;
  });
  CHECK(*answer == 42);
}
