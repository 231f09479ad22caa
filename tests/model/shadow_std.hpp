// Included before everything else in a model's sources: inside namespace weft, the std:: of what is
// explored is the model's. So the library's very sources are compiled, as they are.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <condition_variable>
#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "model/explorer.hpp"

namespace weft::std {
using namespace ::std;  // what is declared here comes first
using weft_model::atomic;
#if defined(WEFT_MODEL_REFS)  // where they are more than hints
using weft_model::atomic_ref;
#endif
using weft_model::mutex;
using weft_model::thread;
}  // namespace weft::std
