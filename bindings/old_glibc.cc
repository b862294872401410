// For wheels only (RAMET_PORTABLE): functions that the linker would take from the glibc of the
// building machine, as older ones have them too, so that a wheel runs where glibc is 2.28.
//
// The linker's --wrap sends all references to NAME, also those of the static libstdc++, to
// __wrap_NAME here. What is needed is known: the wheel's test reads its tag.
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

// Before 2.34 these were in libpthread, under this version; so they are still.
#define RAMET_OLD(name) __asm__(".symver old_" #name "," #name "@" RAMET_OLDEST)
RAMET_OLD(pthread_create);
RAMET_OLD(pthread_join);
RAMET_OLD(pthread_once);

extern "C" {

int old_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int old_pthread_join(pthread_t, void**);
int old_pthread_once(pthread_once_t*, void (*)());

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*start)(void*), void* argument) {
  return old_pthread_create(thread, attributes, start, argument);
}
int __wrap_pthread_join(pthread_t thread, void** result) {
  return old_pthread_join(thread, result);
}
int __wrap_pthread_once(pthread_once_t* once, void (*function)()) {
  return old_pthread_once(once, function);
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
int __wrap_fstat64(int descriptor, struct stat* out) {
  return Statx(descriptor, "", AT_EMPTY_PATH, out);
}

}  // extern "C"
