#include "output/line_splitter.hpp"

#include "support/catch.hpp"

using ssh_runner::line_splitter;

namespace {

std::string fed_in_pieces(const std::string& text, std::size_t piece) {
  line_splitter lines("h");
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += piece) lines.feed(text.substr(i, piece), out);
  lines.finish(out);
  return out;
}

}  // namespace

TEST_CASE("lines are the same however the bytes arrive") {
  for (const std::size_t piece : {1, 2, 3, 5, 100})
    CHECK(fed_in_pieces("one\n\ntwo\n\n\nthree", piece) ==
          "h: one\nh: \nh: two\nh: \nh: \nh: three\n");
}

TEST_CASE("nothing is made of nothing") { CHECK(fed_in_pieces("", 1).empty()); }

TEST_CASE("a line comes out only when it is whole") {
  line_splitter lines("h");
  std::string out;
  lines.feed("begun", out);
  CHECK(out.empty());
  lines.feed(" and ended\nnext", out);
  CHECK(out == "h: begun and ended\n");
}

TEST_CASE("a line beyond the limit comes in pieces") {
  line_splitter lines("h", 4);
  std::string out;
  lines.feed("abcdefghij\nabcd\n", out);
  CHECK(out == "h: abcd\nh: efgh\nh: ij\nh: abcd\n");
}

TEST_CASE("carriage returns and zero bytes are kept") {
  CHECK(fed_in_pieces(std::string("a\r\nb\0c\n", 7), 3) == std::string("h: a\r\nh: b\0c\n", 13));
}
