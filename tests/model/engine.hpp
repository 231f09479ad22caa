// The explorer's inside: see explorer.hpp for what it does. engine.cpp chooses who goes on,
// memory.cpp says what an operation does.
#pragma once

#include <boost/context/detail/fcontext.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/arena.hpp"
#include "model/explorer.hpp"

namespace weft_model {

namespace context = boost::context::detail;

using text = std::basic_string<char, std::char_traits<char>, heap<char>>;
template <class T>
using list = std::vector<T, heap<T>>;

enum class thread_state : std::uint8_t { ready, spinning, blocked, finished };

// What happened before, as the number of steps of each thread.
struct vector_clock {
  std::uint32_t steps[most_threads] = {};
  void join(const vector_clock& other) {
    for (unsigned i = 0; i < most_threads; ++i) steps[i] = std::max(steps[i], other.steps[i]);
  }
};

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  a = (a + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9 + b;  // not symmetric
  a = (a ^ (a >> 30)) * 0x94d049bb133111eb;
  return a ^ (a >> 31);
}

// Open addressing; nothing is taken out but all at once.
template <class Entry>
class table {
 public:
  Entry& operator[](const void* key) {
    if (2 * (count_ + 1) > entries_.size()) grow();
    Entry& e = find(entries_, key);
    if (e.generation != generation_) {
      e = Entry{};
      e.key = key;
      e.generation = generation_;
      ++count_;
    }
    return e;
  }
  void clear() {
    ++generation_;
    count_ = 0;
  }
  std::size_t size() const { return count_; }
  bool contains(const void* key) {
    return !entries_.empty() && find(entries_, key).generation == generation_;
  }

 private:
  Entry& find(list<Entry>& in, const void* key) {
    const std::size_t mask = in.size() - 1;
    std::size_t at = mix(reinterpret_cast<std::uintptr_t>(key), 7) & mask;
    while (in[at].generation == generation_ && in[at].key != key) at = (at + 1) & mask;
    return in[at];
  }
  void grow() {
    list<Entry> bigger(entries_.empty() ? 1024 : 2 * entries_.size());
    for (Entry& e : entries_) {
      if (e.generation == generation_) find(bigger, e.key) = e;
    }
    entries_.swap(bigger);
  }
  list<Entry> entries_;
  std::size_t count_ = 0;
  std::uint64_t generation_ = 1;  // entries of others count as none
};

// What is known of an address in this execution.
struct cell {
  const void* key = nullptr;
  std::uint64_t generation = 0;
  vector_clock message;          // what the last store passes on
  std::uint64_t last_write = 0;  // its place in the partial order
  std::uint64_t reads = 0;       // the same of all reads since
  std::uint8_t used_by = 0;      // threads, a bit each
  std::uint8_t written_by = 0;
  bool dead = false;
  bool kept = false;             // its first value, see keep_static
  // The last access to plain data.
  bool is_plain = false;
  unsigned plain_thread = 0;
  std::uint32_t plain_step = 0;
};

struct known_word {
  const void* key = nullptr;
  std::uint64_t generation = 0;
};

struct buffered_store {
  std::uint64_t* address;  // null: it is gone
  std::uint64_t value;
  vector_clock message;
  std::uint64_t hash;
};

struct look {
  const void* address;
  std::uint64_t last_write;
};

struct model_thread {
  std::function<void()>* body = nullptr;  // never destroyed
  bool resident = false;
  context::fcontext_t at = nullptr;
  void* exceptions[2] = {};      // what __cxa_get_globals() points to
  thread_state state = thread_state::ready;
  bool may_time_out = false;
  bool timed_out = false;
  const void* waits_for = nullptr;
  list<buffered_store> buffer;
  std::uint64_t loaded_at = 0;   // the slice of the first load of a shared word past its buffer; 0: none
  std::uint64_t last_ran = 0;    // in slices
  std::uint64_t spun_at[2] = {}; // the last time but one, and the last
  list<look> looks;              // since its last spin
  std::int64_t saw_hours = -1;   // the clock, since then
  std::uint64_t hash = 0;        // its operations' places in the partial order
  std::uint64_t flushes = 0;     // the same of what left its buffer
  vector_clock clock;            // what happened before its next step
  vector_clock at_fence;         // at its last fence: what its relaxed stores publish
  vector_clock seen;             // by relaxed loads: a fence makes it happen before
};

inline constexpr char waking[] = "wake";

struct choice {
  unsigned taken;
  unsigned options;
};

class engine {
 public:
  engine(const limits&, const std::function<void(scenario&)>& make);
  ~engine();

  outcome run();

  static engine* active;

  bool is_inside() const { return current_ >= 0; }
  unsigned current() const { return is_inside() ? static_cast<unsigned>(current_) : most_threads; }
  model_thread& self() { return threads_[static_cast<unsigned>(current_)]; }

  // ---- Operations, in memory.cpp --------------------------------------------------------------
  void step(const char* what, const void* address, bool empties_buffer, const void* from);
  std::uint64_t load(const std::uint64_t* address, std::memory_order);
  void store(std::uint64_t* address, std::uint64_t value, std::memory_order);
  std::uint64_t peek(const std::uint64_t* address);
  void read_locked(const std::uint64_t* address, std::memory_order);
  void write_locked(std::uint64_t* address, std::uint64_t value, std::memory_order);
  void full_fence();
  void heavy_barrier();
  void plain_access(const void*);
  void begin_life(const void*);
  void end_life(const void*);
  void name(const void* address, std::size_t size, const char* what);

  // ---- Waiting, in engine.cpp -----------------------------------------------------------------
  unsigned choose(unsigned n);
  void spin();
  std::int64_t now();
  bool block(const std::uint64_t* address, std::uint64_t expected, bool may_time_out);
  void unblock(const void* address, int count);
  unsigned start_thread(std::function<void()>, bool resident);
  void join(unsigned number);
  void set_end(std::function<void()>);
  [[noreturn]] void fail(const char* what);

 private:
  struct option {
    bool times_out;
    unsigned thread;
  };
  struct named {
    const char* begin;
    std::size_t size;
    const char* what;
  };

  void run_once();
  void restore_statics();
  [[noreturn]] void leave();
  [[noreturn]] void cut_short();
  static void enter(context::transfer_t);
  void go_to_engine();
  void reschedule();
  bool is_enabled(const model_thread&);
  bool could_go_on(const model_thread&);
  unsigned starved_by(const model_thread&, std::uint64_t since);
  bool pick_next();
  bool one_of_resting_times_out();
  unsigned pick_option(unsigned n, bool goes_on);
  std::uint64_t state_hash(bool goes_on);
  bool is_known(std::uint64_t);

  void let_out(const void* address);
  void receive(cell&, std::memory_order);
  vector_clock message_of(model_thread&, std::memory_order);
  void next_step(model_thread& t) { ++t.clock.steps[static_cast<std::size_t>(&t - &threads_[0])]; }
  std::uint64_t write(model_thread&, const buffered_store&);
  void flush(model_thread& t);
  void flush_own();
  void flush_one(model_thread& t);
  void fence(model_thread&);
  void note_read(model_thread&, cell&);
  void note_write(model_thread&, cell&, std::uint64_t hash);
  void note_look(model_thread&, const cell&, bool only_again);
  void note_use(cell&, bool writes);
  void keep_static(cell&, std::uint64_t* address);
  void trace_step(const char* what, const void* address, const void* from);

  const limits limits_;
  const std::function<void(scenario&)>& make_;
  char* stacks_ = nullptr;
  list<model_thread> threads_;
  std::function<void()>* end_ = nullptr;
  list<choice> choices_;
  std::size_t depth_ = 0;
  unsigned steps_ = 0;
  std::uint64_t slices_ = 0;     // times that a thread was chosen to go on
  unsigned preempted_ = 0;
  unsigned delayed_ = 0;
  unsigned timeouts_ = 0;
  unsigned at_rest_ = 0;         // time-outs of resting ones
  vector_clock fences_;
  std::int64_t hours_ = 1;       // what the clock shows
  unsigned idle_hours_ = 0;      // that passed since nobody could go on
  int current_ = -1;
  int next_ = -1;
  context::fcontext_t home_ = nullptr;

  table<cell> cells_;
  table<known_word> shared_;     // where a switch is considered
  list<const void*> found_;      // shared words that this execution has shown
  list<std::uint64_t> states_;   // that were met, open addressing; 0: free
  std::size_t state_count_ = 0;
  bool was_cut_ = false;

  text failure_;
  bool tracing_ = false;
  text trace_;
  struct kept_value {
    std::uint64_t* address;
    std::uint64_t value;
  };
  list<kept_value> statics_;     // as they were before this execution
  list<named> names_;
  list<const void*> addresses_;
};

}  // namespace weft_model
