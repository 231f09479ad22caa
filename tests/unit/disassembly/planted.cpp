// Violations on purpose: the disassembly check must report each of these functions.
#include <cerrno>
#include <cxxabi.h>
#include <pthread.h>

#include <string>

namespace planted {

static thread_local int own = 0;
extern thread_local std::string foreign;

int reads_own() { return own; }
int* address_of_own() { return &own; }
int reads_errno() { return errno; }
void* reads_globals() { return abi::__cxa_get_globals(); }
std::size_t reads_foreign() { return foreign.size(); }
unsigned long reads_thread() { return pthread_self(); }

// Two reads around what may switch: this is how the address gets kept.
int keeps_address(void (*may_switch)()) {
  errno = 0;
  may_switch();
  return errno;
}

}  // namespace planted
