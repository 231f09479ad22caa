#include "output/line_splitter.hpp"

#include "support/catch.hpp"

using ssh_runner::line_splitter;

namespace {

std::string fed_in_pieces(const std::string& text, std::size_t piece, std::size_t longest = 100) {
  line_splitter lines(longest);
  std::string out;
  const auto on_line = [&](std::string_view line) { out.append("[").append(line).append("]"); };
  for (std::size_t i = 0; i < text.size(); i += piece) lines.feed(text.substr(i, piece), on_line);
  lines.finish(on_line);
  return out;
}

}  // namespace

TEST_CASE("lines are the same however the bytes arrive") {
  for (const std::size_t piece : {1, 2, 3, 5, 100})
    CHECK(fed_in_pieces("one\n\ntwo\n\n\nthree", piece) == "[one][][two][][][three]");
}

TEST_CASE("nothing is made of nothing") { CHECK(fed_in_pieces("", 1).empty()); }

TEST_CASE("a line comes out only when it is whole") {
  line_splitter lines;
  std::string out;
  const auto on_line = [&](std::string_view line) { out.append(line) += ';'; };
  lines.feed("begun", on_line);
  CHECK(out.empty());
  lines.feed(" and ended\nnext", on_line);
  CHECK(out == "begun and ended;");
}

TEST_CASE("a line beyond the limit comes in pieces") {
  for (const std::size_t piece : {1, 3, 4, 100})
    CHECK(fed_in_pieces("abcdefghij\nabcd\n", piece, 4) == "[abcd][efgh][ij][abcd]");
}

TEST_CASE("carriage returns and zero bytes are kept") {
  CHECK(fed_in_pieces(std::string("a\r\nb\0c\n", 7), 3) == std::string("[a\r][b\0c]", 9));
}
