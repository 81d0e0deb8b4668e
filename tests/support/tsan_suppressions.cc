// ThreadSanitizer sees nothing of the atomics inside libcpprest.so, which is not built with it:
// where the last reference to one of its objects is dropped there, the delete looks like a race
// with the drop before it.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:asio_context::~asio_context\n"
         "race:~_CancellationTokenCallback\n";
}
