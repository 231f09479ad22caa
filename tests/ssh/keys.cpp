#include "connect/keys.hpp"

#include <stdlib.h>

#include <filesystem>

#include "plan/plan.hpp"
#include "support/catch.hpp"

using namespace ssh_runner;

namespace {

// A directory with a key in it, which has the passphrase "secret".
class key_file {
 public:
  key_file() {
    std::string name = "/tmp/weft-keys.XXXXXX";
    dir_ = ::mkdtemp(name.data());
    ssh_key made = nullptr;
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &made) != SSH_OK)
      throw std::runtime_error("no key");
    const key_ptr key(made);
    ssh_pki_export_privkey_file(made, "secret", nullptr, nullptr, path().c_str());
  }
  key_file(const key_file&) = delete;
  key_file& operator=(const key_file&) = delete;
  ~key_file() { std::filesystem::remove_all(dir_); }

  std::filesystem::path dir() const { return dir_; }
  std::filesystem::path path() const { return dir_ / "key"; }

 private:
  std::filesystem::path dir_;
};

const key_ring::passphrase right = secret("secret");
const key_ring::passphrase wrong = secret("wrong");

}  // namespace

TEST_CASE("a key that was pasted has its lines again") {
  const std::string key = "-----BEGIN X-----\nAAAA\nBBBB\n-----END X-----\n";
  CHECK(mended_key_text(key) == key);
  CHECK(mended_key_text("-----BEGIN X-----\r\nAAAA\r\nBBBB\r\n-----END X-----") == key);
  CHECK(mended_key_text("-----BEGIN X-----\\nAAAA\\nBBBB\\n-----END X-----") == key);
  CHECK(mended_key_text("-----BEGIN X----- AAAA BBBB -----END X-----") == key);
  CHECK(mended_key_text("  \n" + key) == key);
  CHECK(mended_key_text("no key") == "no key");
}

TEST_CASE("what is no key says so and throws nothing") {
  key_ring ring;
  CHECK(ring.parse(secret("nonsense"), {}, "text")->problem.starts_with("not a private key"));
  CHECK(ring.load("/no/such/key", {})->problem.empty());
  CHECK(ring.load("/dev/null", {})->problem.starts_with("not a private key"));
  CHECK(ring.load("/dev/null", {}) == ring.load("/dev/null", {}));
}

TEST_CASE("a key is read and decrypted once") {
  const key_file file;
  key_ring ring;
  const shared_key locked = ring.load(file.path(), {});
  CHECK_FALSE(locked->key);
  CHECK(ring.load(file.path(), {}) == locked);
  CHECK_FALSE(ring.load(file.path(), wrong)->key);
  const shared_key open = ring.load(file.path(), right);
  REQUIRE(open->key);
  // Whoever asks now, however it is named.
  CHECK(ring.load(file.path(), right) == open);
  CHECK(ring.load(file.path(), {}) == open);
  CHECK(ring.load(file.path(), wrong) == open);
  CHECK(ring.load(file.dir() / "." / "key", right) == open);

  const shared_key text = ring.parse(secret("nonsense"), {}, "text");
  CHECK(ring.parse(secret("nonsense"), {}, "text") == text);
}

TEST_CASE("two keys are not one because their names look so") {
  const key_file one;
  const key_file two;
  std::filesystem::create_directory(two.dir() / "sub");
  std::filesystem::create_directory_symlink(two.dir() / "sub", one.dir() / "link");
  key_ring keys;
  const shared_key of_one = keys.load(one.path(), right);
  CHECK(keys.load(one.dir() / "link" / ".." / "key", right) != of_one);
  CHECK(keys.load(one.dir() / "." / "key", right) == of_one);
}

TEST_CASE("hosts and jump hosts share their keys") {
  const key_file file;
  settings asked;
  asked.hosts.ssh_config = "none";
  asked.hosts.lists = {"web[1-3]"};
  asked.hosts.jump = std::vector<std::string>{"gate"};
  asked.host_keys.known_hosts = {"none"};
  asked.login.key_files = {file.path().string()};
  asked.login.passphrase = right;
  asked.jump_login = asked.login;
  const plan planned = make_plan(asked);
  REQUIRE(planned.hosts.size() == 3);
  const shared_key key = planned.hosts.front().to->login.keys.at(0);
  REQUIRE(key->key);
  for (const planned_host& host : planned.hosts) {
    CHECK(host.to->login.keys.at(0) == key);
    CHECK(host.to->via->login.keys.at(0) == key);
  }
}
