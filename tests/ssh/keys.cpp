#include "connect/keys.hpp"

#include "support/catch.hpp"

using namespace ssh_runner;

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
  key_ring ring(std::nullopt);
  CHECK(ring.parse(secret("nonsense"), "text")->problem.starts_with("not a private key"));
  CHECK(ring.load("/no/such/key")->problem.empty());
  CHECK(ring.load("/dev/null")->problem.starts_with("not a private key"));
  CHECK(ring.load("/dev/null") == ring.load("/dev/null"));
}
