// What the disassembly check must not report: a stack protector, exceptions, ordinary calls.
#include <cstring>
#include <stdexcept>
#include <string>

namespace innocent {

int with_stack_protector(const char* text) {
  char buffer[200];
  std::strncpy(buffer, text, sizeof(buffer) - 1);
  buffer[sizeof(buffer) - 1] = '\0';
  return static_cast<int>(std::strlen(buffer));
}

char with_exceptions(const std::string& text) {
  try {
    return text.at(3);
  } catch (const std::out_of_range&) {
    throw std::runtime_error(text);
  }
}

}  // namespace innocent
