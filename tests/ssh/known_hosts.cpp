#include "connect/known_hosts.hpp"

#include <sstream>

#include "support/catch.hpp"

using namespace ssh_runner;

namespace {

const std::string ed25519 =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKrOiUqAc6+3FTjKUkeDx0c7PK6nFnH3GiYmMFgsgmQy";
const std::string other =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICxuuH5Dpv1hsZx7V45hUsyljf+SHTD4oBaFCkT1qrir";
const std::string ecdsa =
    "ecdsa-sha2-nistp256 "
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAXPAKZ3GepPPRrkwQyDA4z/T2Po92+dhSIX9I3q"
    "eXjqd6YQme0hZxet//aK+OpBZOjVFzIxjYYqr2ik7dgySbs=";

key_ptr key(const std::string& line) {
  ssh_key parsed = nullptr;
  const auto blank = line.find(' ');
  const int rc =
      ssh_pki_import_pubkey_base64(line.substr(blank + 1).c_str(),
                                   ssh_key_type_from_name(line.substr(0, blank).c_str()), &parsed);
  if (rc != SSH_OK) throw std::invalid_argument("bad key in the test");
  return key_ptr(parsed);
}

known_hosts from(const std::string& text) {
  known_hosts result;
  std::istringstream lines(text);
  result.read(lines);
  return result;
}

key_state check(const known_hosts& hosts, const std::string& host, std::uint16_t port,
                const std::string& shown) {
  return hosts.find(host, port).check(key(shown).get());
}

}  // namespace

TEST_CASE("a known key is known, another is a change, none is unknown") {
  const auto hosts = from("# comment\n\nweb1,10.0.0.1 " + ed25519 + " me@home\n");
  CHECK(check(hosts, "web1", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "WEB1", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "10.0.0.1", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "web1", 22, other) == key_state::changed);
  CHECK(check(hosts, "web2", 22, ed25519) == key_state::unknown);
}

TEST_CASE("a port of its own has entries of its own") {
  const auto hosts = from("[web1]:2222 " + ed25519 + "\nweb1 " + other + "\n");
  CHECK(check(hosts, "web1", 2222, ed25519) == key_state::known);
  CHECK(check(hosts, "web1", 2222, other) == key_state::changed);
  CHECK(check(hosts, "web1", 22, other) == key_state::known);
}

TEST_CASE("the host's key at port 22 may stand in for one at another port") {
  const auto hosts = from("web1 " + ed25519 + "\n");
  CHECK(check(hosts, "web1", 2222, ed25519) == key_state::known);
  CHECK(check(hosts, "web1", 2222, other) == key_state::unknown);
}

TEST_CASE("hashed names are found") {
  // ssh-keygen -H made these of hashed.example and [hashed.example]:2222.
  const auto hosts =
      from("|1|adzBAqWWbeYJye/ikugGe1KsibU=|k9L2VOUYxh6uCS4yfGHeDt1MQig= " + ed25519 + "\n" +
           "|1|FJkC33VpKjmLyaKCAUz8cKr3hdE=|Y+IZP0Kb0rPaLN2D0gWgcGnF8Vs= " + other + "\n");
  CHECK(check(hosts, "hashed.example", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "hashed.example", 2222, other) == key_state::known);
  CHECK(check(hosts, "other.example", 22, ed25519) == key_state::unknown);
}

TEST_CASE("patterns and exceptions from them") {
  const auto hosts = from("*.example,!bad.example,web? " + ed25519 + "\n");
  CHECK(check(hosts, "a.b.example", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "web7", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "bad.example", 22, ed25519) == key_state::unknown);
  CHECK(check(hosts, "web10", 22, ed25519) == key_state::unknown);
}

TEST_CASE("a revoked key is refused whatever else says") {
  const auto hosts = from("web1 " + ed25519 + "\n@revoked * " + ed25519 + "\n");
  CHECK(check(hosts, "web1", 22, ed25519) == key_state::revoked);
  CHECK(check(hosts, "web2", 2222, ed25519) == key_state::revoked);
  CHECK(check(hosts, "web2", 22, other) == key_state::unknown);
}

TEST_CASE("one of several keys is enough, and the known types are asked for first") {
  const auto hosts = from("web1 " + ecdsa + "\n");
  CHECK(check(hosts, "web1", 22, ecdsa) == key_state::known);
  CHECK(check(hosts, "web1", 22, ed25519) == key_state::changed);
  CHECK(hosts.find("web1", 22).algorithms().starts_with("ecdsa-sha2-nistp256,ssh-ed25519,"));
  CHECK(hosts.find("web1", 2222).algorithms().starts_with("ecdsa-sha2-nistp256,ssh-ed25519,"));
  CHECK(known_host{}.algorithms().starts_with("ssh-ed25519,"));
  CHECK(from("w ssh-rsa AAAA\n")
            .find("w", 22)
            .algorithms()
            .starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519"));
}

TEST_CASE("lines that are broken are passed over") {
  const auto hosts = from("web1\nweb1 ssh-ed25519\n@revoked\n@cert-authority * " + ed25519 +
                          "\nweb1 ssh-ed25519 !!!\nweb2 " + ed25519);
  CHECK(check(hosts, "web2", 22, ed25519) == key_state::known);
  CHECK(check(hosts, "web1", 22, ed25519) == key_state::changed);
}
