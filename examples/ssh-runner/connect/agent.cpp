#include "connect/agent.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <system_error>
#include <tuple>

#include "text/base64.hpp"

namespace ssh_runner {
namespace {

// draft-miller-ssh-agent: each message is a length of four bytes, a type and what belongs to it.
constexpr char failure_answer = 5;
constexpr char request_identities = 11;
constexpr char identities_answer = 12;
constexpr char sign_request = 13;
constexpr std::size_t longest = 256 << 10;
constexpr std::size_t most_keys = 1024;

// The list comes at once from an agent that is alive; a signature may wait for a person's consent.
constexpr auto list_patience = std::chrono::seconds(3);

std::string number(std::size_t n) {
  std::string text(4, '\0');
  for (int i = 0; i < 4; ++i) text[i] = static_cast<char>(n >> (24 - 8 * i));
  return text;
}
std::string with_length(std::string_view text) { return number(text.size()).append(text); }

std::size_t parse_number(std::string_view text) {
  std::size_t n = 0;
  for (int i = 0; i < 4; ++i) n = n << 8 | static_cast<std::uint8_t>(text[i]);
  return n;
}

// Takes a text with its length off the front.
std::string take_text(std::string_view& from) {
  if (from.size() < 4 || from.size() - 4 < parse_number(from))
    throw std::runtime_error("the agent's answer is cut off");
  const std::string text(from.substr(4, parse_number(from)));
  from.remove_prefix(4 + text.size());
  return text;
}

// nullopt: the other side is gone.
std::optional<std::string> read_message(weft::file_descriptor& from, weft::wait_limit limit = {}) {
  std::array<std::byte, 4> head{};
  if (from.read_full(head, limit) < head.size()) return std::nullopt;
  const std::size_t size = parse_number({reinterpret_cast<const char*>(head.data()), head.size()});
  if (size == 0 || size > longest) throw std::system_error(EMSGSIZE, std::generic_category());
  std::string message(size, '\0');
  if (from.read_full(std::as_writable_bytes(std::span(message)), limit) < size) return std::nullopt;
  return message;
}

std::string identities_message(const std::vector<agent::identity>& keys) {
  std::string message = identities_answer + number(keys.size());
  for (const auto& key : keys) message += with_length(key.blob) + with_length(key.comment);
  return message;
}

// The public key's blob, as the agent has it, in base64.
std::string text_of(const shared_key& key) {
  char* base64 = nullptr;
  if (!key->public_part || ssh_pki_export_pubkey_base64(key->public_part.get(), &base64) != SSH_OK)
    return {};
  std::string text = base64;
  ssh_string_free_char(base64);
  return text;
}

}  // namespace

const std::vector<agent::identity>& agent::identities() {
  once_.call([this] {
    if (!path_.empty()) identities_ = list();
  });
  return identities_;
}

std::vector<agent::identity> agent::list() {
  std::vector<identity> result;
  try {
    const std::string answer = ask(std::string(1, request_identities), list_patience);
    std::string_view rest = answer;
    if (!rest.starts_with(identities_answer) || rest.size() < 5)
      throw std::runtime_error("the agent does not give its keys");
    const std::size_t count = std::min(parse_number(rest.substr(1)), most_keys);
    rest.remove_prefix(5);
    for (std::size_t i = 0; i < count; ++i) {
      identity& key = result.emplace_back();
      key.blob = take_text(rest);
      key.comment = take_text(rest);
    }
  } catch (const std::system_error& error) {
    result.clear();
    problem_ = error.code() == std::errc::timed_out
                   ? "the agent does not answer"
                   : "the agent cannot be asked: " + error.code().message();
  } catch (const std::runtime_error& error) {
    result.clear();
    problem_ = error.what();
  }
  return result;
}

std::string agent::ask(std::string_view request, weft::wait_limit limit) const {
  weft::unix_stream socket = weft::unix_stream::connect(path_, limit);
  socket.write(with_length(request), limit);
  if (auto answer = read_message(socket, limit)) return std::move(*answer);
  throw std::system_error(ECONNRESET, std::generic_category());
}

std::vector<agent::identity> usable_identities(const std::vector<agent::identity>& all,
                                               const credentials& login) {
  std::vector<agent::identity> named;
  std::vector<agent::identity> others;
  for (const agent::identity& id : all) {
    const std::string text = base64(id.blob);
    const auto is_same = [&](const shared_key& key) { return text_of(key) == text; };
    const auto known = std::ranges::find_if(login.keys, is_same);
    if (known == login.keys.end())
      others.push_back(id);
    else if (!(*known)->key)
      named.push_back(id);
  }
  if (!login.identities_only) std::ranges::move(others, std::back_inserter(named));
  return named;
}

agent_relay::agent_relay(const agent& real, const std::vector<agent::identity>& keys, attempt& a)
    : limit_(a.clock(), a.left(), a.ctx()) {
  std::tie(ours_, theirs_) = weft::unix_stream::pair();
  serving_ = weft::spawn([this, &real, list = identities_message(keys)] {
    try {
      while (const auto request = read_message(ours_)) {
        std::string answer(1, failure_answer);
        if (request->front() == request_identities) {
          answer = list;
        } else if (request->front() == sign_request) {
          try {
            answer = real.ask(*request, limit_.ctx());
            if (answer.front() == failure_answer) problem_ = "the agent refuses to sign";
          } catch (const std::system_error& error) {
            problem_ = "the agent cannot be asked: " + error.code().message();
            late_ = limit_.late();
          }
        }
        ours_.write(with_length(answer));
      }
    } catch (const std::system_error&) {
      // libssh has closed its end.
    }
  });
}

agent_relay::~agent_relay() {
  const weft::exit_guard finish;
  limit_.cancel();
  ours_.close();
  serving_.wait();
}

}  // namespace ssh_runner
