// The SSH agent: a process that holds private keys and signs with them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include <weft/weft.hpp>

#include "connect/attempt.hpp"
#include "plan/endpoint.hpp"

namespace ssh_runner {

// Talks the agent's protocol over its socket, so that an agent that is stuck stalls nobody: each
// request is a connection of its own, under a time-out. For many goroutines at once.
class agent {
 public:
  // `path` of its socket; empty: there is none.
  explicit agent(std::string path) : path_(std::move(path)) {}

  struct identity {
    std::string blob;  // the public key as the agent knows it
    std::string comment;
  };
  // Asked for once, by the first who needs it. Empty if there is no agent, or it does not answer:
  // problem() then says why.
  const std::vector<identity>& identities();
  const std::string& problem() const { return problem_; }  // after identities()

  // One request and its answer, both without their length. Throws std::system_error.
  std::string ask(std::string_view request, weft::wait_limit limit) const;

 private:
  std::vector<identity> list();

  std::string path_;
  std::string problem_;
  weft::once once_;
  std::vector<identity> identities_;
};

// Which of them may be tried there, those that stand in `login` first; but not those whose private
// key `login` has itself.
std::vector<agent::identity> usable_identities(const std::vector<agent::identity>& all,
                                               const credentials& login);

// libssh's code for agents blocks its thread while it waits for an answer. So it talks to one end of
// a socket pair, on a thread for blocking calls; a goroutine at the other end answers for the agent:
// with the keys at once, with a signature when there is one, with a refusal when time is over.
class agent_relay {
 public:
  agent_relay(const agent& real, const std::vector<agent::identity>& keys, attempt& a);
  agent_relay(const agent_relay&) = delete;
  agent_relay& operator=(const agent_relay&) = delete;
  ~agent_relay();

  int release_socket() { return theirs_.release(); }  // libssh closes it
  // Why it could not sign; empty: it could, or nobody asked. Only while libssh is not asking.
  const std::string& problem() const { return problem_; }
  // Whether the attempt's time was over before there was a signature. As problem().
  bool late() const { return late_; }

 private:
  std::string problem_;
  bool late_ = false;
  fair_timeout limit_;
  weft::unix_stream ours_, theirs_;
  weft::join_handle<void> serving_;
};

}  // namespace ssh_runner
