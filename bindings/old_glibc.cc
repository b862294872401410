// For wheels only (RAMET_PORTABLE): functions that the linker would take from the glibc of the
// building machine, as older ones have them too, so that a wheel runs where glibc is 2.28.
//
// The linker's --wrap sends all references to NAME, also those of the static libstdc++, to
// __wrap_NAME here. What is needed is known: the wheel's test reads its tag.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#if defined(__x86_64__)
#define RAMET_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define RAMET_OLDEST "GLIBC_2.17"
#else
#error "name this processor's first glibc"
#endif

extern "C" {

// Before 2.34 these were in libpthread and libdl, under this version; so they are still. Every
// program that has threads and loads modules has both.
#define RAMET_OLD(result, name, parameters, arguments)      \
  result old_##name parameters;                             \
  __asm__(".symver old_" #name "," #name "@" RAMET_OLDEST); \
  result __wrap_##name parameters { return old_##name arguments; }

RAMET_OLD(int, pthread_create,
          (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*),
           void* argument),
          (thread, attributes, start, argument))
RAMET_OLD(int, pthread_join, (pthread_t thread, void** result), (thread, result))
RAMET_OLD(int, pthread_detach, (pthread_t thread), (thread))
RAMET_OLD(int, pthread_once, (pthread_once_t * once, void (*function)()), (once, function))
RAMET_OLD(int, pthread_sigmask, (int how, const sigset_t* set, sigset_t* before),
          (how, set, before))
RAMET_OLD(int, pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
RAMET_OLD(int, pthread_key_create, (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))
RAMET_OLD(int, pthread_key_delete, (pthread_key_t key), (key))
RAMET_OLD(void*, pthread_getspecific, (pthread_key_t key), (key))
RAMET_OLD(int, pthread_setspecific, (pthread_key_t key, const void* value), (key, value))
RAMET_OLD(int, pthread_rwlock_init,
          (pthread_rwlock_t * lock, const pthread_rwlockattr_t* attributes), (lock, attributes))
RAMET_OLD(int, pthread_rwlock_destroy, (pthread_rwlock_t * lock), (lock))
RAMET_OLD(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
RAMET_OLD(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
RAMET_OLD(int, pthread_rwlock_unlock, (pthread_rwlock_t * lock), (lock))
RAMET_OLD(void*, dlopen, (const char* file, int mode), (file, mode))
RAMET_OLD(int, dlclose, (void* handle), (handle))
RAMET_OLD(char*, dlerror, (), ())
RAMET_OLD(void*, dlsym, (void* handle, const char* name), (handle, name))
RAMET_OLD(int, dladdr, (const void* address, Dl_info* info), (address, info))

// 2.30: libstdc++'s condition variables wait by the steady clock. Here the rest of the time is
// waited for by the other one: who waits looks at its clock again.
int __wrap_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const timespec* until) {
  constexpr int64_t kSecond = 1'000'000'000;
  timespec now, other;
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &other);
  const int64_t left = (until->tv_sec - now.tv_sec) * kSecond + until->tv_nsec - now.tv_nsec;
  const int64_t end = other.tv_sec * kSecond + other.tv_nsec + (left > 0 ? left : 0);
  const timespec limit{static_cast<time_t>(end / kSecond), static_cast<long>(end % kSecond)};
  return pthread_cond_timedwait(condition, mutex, &limit);
}

// 2.32: libstdc++ leaves out atomics where it is true.
char __wrap___libc_single_threaded = 0;

// 2.36: libstdc++'s random_device.
uint32_t __wrap_arc4random() {
  uint32_t value = 0;
  while (getrandom(&value, sizeof value, 0) < 0 && errno == EINTR) {
  }
  return value;
}

// 2.33; before, stat and its like were inline functions around others. statx is of 2.28.
static int Statx(int folder, const char* path, int flags, struct stat* out) {
  struct statx found;
  if (statx(folder, path, flags, STATX_BASIC_STATS, &found) != 0) return -1;
  *out = {};
  out->st_dev = makedev(found.stx_dev_major, found.stx_dev_minor);
  out->st_rdev = makedev(found.stx_rdev_major, found.stx_rdev_minor);
  out->st_ino = found.stx_ino;
  out->st_nlink = found.stx_nlink;
  out->st_mode = found.stx_mode;
  out->st_uid = found.stx_uid;
  out->st_gid = found.stx_gid;
  out->st_size = static_cast<off_t>(found.stx_size);
  out->st_blksize = static_cast<blksize_t>(found.stx_blksize);
  out->st_blocks = static_cast<blkcnt_t>(found.stx_blocks);
  out->st_atim = {found.stx_atime.tv_sec, found.stx_atime.tv_nsec};
  out->st_mtim = {found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec};
  out->st_ctim = {found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec};
  return 0;
}
int __wrap_stat(const char* path, struct stat* out) { return Statx(AT_FDCWD, path, 0, out); }
int __wrap_lstat(const char* path, struct stat* out) {
  return Statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, out);
}
int __wrap_fstat(int descriptor, struct stat* out) {
  return Statx(descriptor, "", AT_EMPTY_PATH, out);
}
int __wrap_fstat64(int descriptor, struct stat* out) {
  return Statx(descriptor, "", AT_EMPTY_PATH, out);
}

}  // extern "C"
