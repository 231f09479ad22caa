#include "connect/jump.hpp"

#include <mutex>
#include <system_error>
#include <utility>

#include "connect/connector.hpp"
#include "connect/forwarding.hpp"

namespace ssh_runner {

jump_connection::jump_connection(std::unique_ptr<session> on, keep_alive_rule rule)
    : inbox_(64),
      owner_(weft::spawn([on = std::move(on), rule, inbox = inbox_, ended = ended_]() mutable {
        try {
          forwarding(std::move(on), rule, inbox).run();
        } catch (const std::exception&) {  // out of memory, descriptors
        }
        ended.close();
      })) {}

jump_connection::~jump_connection() {
  const weft::exit_guard finish;  // the goroutine ends soon, and this must not throw
  close_quietly(inbox_);
  owner_.wait();
}

weft::file_descriptor jump_connection::open(const std::string& address, std::uint16_t port,
                                            attempt& a) {
  bool gone = false;
  const auto on_end = [&](bool) { gone = true; };
  const weft::chan<open_answer> reply(1);
  const weft::chan<void> asked;
  // The owner may have much to do for others. Once it has asked the jump host, time counts.
  a.wait_for_turn(weft::on_send(inbox_, jump_message{open_request{address, port, asked, reply}}),
                  weft::on_recv(ended_, on_end));
  if (!gone) a.wait_for_turn(weft::on_recv(asked), weft::on_recv(ended_, on_end));
  std::optional<open_answer> answer;
  while (!gone && !answer) a.wait(weft::on_recv(reply, answer), weft::on_recv(ended_, on_end));
  if (gone || !answer) a.fail("the connection to the jump host was lost");
  const std::string no = "the jump host says: " + answer->problem;
  if (answer->for_good) a.fail_for_good(no);
  if (!answer->problem.empty()) a.fail(no);
  return std::move(answer->socket);
}

jump_pool::~jump_pool() {
  const weft::exit_guard finish;
  give_up_();
  making_.wait();
}

weft::file_descriptor jump_pool::open(const endpoint& via, const std::string& address,
                                      std::uint16_t port, attempt& a) {
  a.enter(phase::connect);
  const std::shared_ptr<entry> e = find_or_make(via);
  try {
    while (!e->ready.closed()) a.wait(weft::on_recv(e->ready));
  } catch (const failure& f) {  // this host's time may end first
    if (f.what_kind != verdict::timed_out) throw;
    throw failure(f.what_kind, f.where, "jump host " + via.name + ": " + f.what());
  }
  if (e->failed && e->failed->what_kind == verdict::stopped) a.fail_stopped();
  if (e->failed) throw e->failed->behind(via.name);
  return e->connection->open(address, port, a);
}

std::shared_ptr<jump_pool::entry> jump_pool::find_or_make(const endpoint& via) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<entry>& known = entries_[&via];
  // What failed for good is not tried again for each of many hosts: a server may count refused logins.
  const bool over =
      known && known->ready.closed() &&
      (known->connection ? known->connection->lost() : !known->failed || known->failed->may_pass_there());
  if (!known || over) {
    known = std::make_shared<entry>();
    making_.go([this, &via, e = known] { make(via, *e); });
  }
  return known;
}

void jump_pool::make(const endpoint& via, entry& e) {
  std::atomic<phase> at{phase::waiting};
  try {
    attempt a(via.connect_timeout, clock_, ctx_, at);
    e.connection =
        std::make_shared<jump_connection>(with_.connect_to_jump_host(via, a), via.keep_alive);
  } catch (const failure& f) {
    e.failed = f;
  } catch (const std::exception& error) {
    e.failed.emplace(verdict::not_connected, at.load(), error.what());
  }
  e.ready.close();
}

}  // namespace ssh_runner
