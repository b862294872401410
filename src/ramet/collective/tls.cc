#include "ramet/collective/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace ramet {
namespace {

// Ciphertext is sent and received in blocks of several records, to save calls of the system.
constexpr size_t kBlock = size_t{1} << 17;
constexpr size_t kRecord = size_t{1} << 14;  // the longest that TLS has

struct Free {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

std::string WhatOpenSslSays() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  const std::string text = reason == nullptr ? "unknown error" : reason;
  ERR_clear_error();
  return text;
}

BIO_METHOD* BlockMethod();

class TlsChannel final : public Channel {
 public:
  TlsChannel(Descriptor socket, std::shared_ptr<const Tls::Settings> settings, SSL_CTX* context,
             bool dials)
      : Channel(std::move(socket)), settings_(std::move(settings)), ssl_(SSL_new(context)) {
    RAMET_CHECK(ssl_ != nullptr);
    BIO* bio = BIO_new(BlockMethod());
    RAMET_CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (dials)
      SSL_set_connect_state(ssl_.get());
    else
      SSL_set_accept_state(ssl_.get());
  }

  Opened Open() override {
    if (!connected_) {
      pollfd ready{descriptor(), POLLOUT, 0};
      if (poll(&ready, 1, 0) == 0) return Opened::kNotYet;
      if (const int error = ErrorOf(socket()); error != 0) {
        (void)Closed(ErrnoText(error));
        return Opened::kFailed;
      }
      connected_ = true;
    }
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl_.get());
    const bool sent = Flush();
    if (code == 1) return !sent ? Opened::kFailed : Opened::kYes;
    (void)Outcome(code);
    return problem().empty() ? Opened::kNotYet : Opened::kFailed;
  }

  Moved Write(Bytes head, Bytes body) override {
    size_t accepted = 0;
    // Head and what follows are one record.
    if (!head.empty() && !body.empty()) {
      const size_t together = std::min(body.size(), kRecord - std::min(kRecord, head.size()));
      record_.assign(head.begin(), head.end());
      record_.insert(record_.end(), body.begin(), body.begin() + together);
      head = record_;
      body = body.subspan(together);
    }
    for (Bytes piece : {head, body}) {
      while (!piece.empty()) {
        if (out_.size() - out_begin_ >= kBlock) {
          if (!Flush()) return {0, true};
          if (backlog()) return {accepted, false};  // the system takes no more now
        }
        ERR_clear_error();
        size_t count = 0;
        const int code = SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &count);
        if (code != 1) return Outcome(code);
        accepted += count;
        piece = piece.subspan(count);
      }
    }
    return {accepted, !Flush()};
  }

  Moved Read(std::span<std::byte> into) override {
    ERR_clear_error();
    size_t count = 0;
    const int code = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    return code == 1 ? Moved{count, false} : Outcome(code);
  }

  void EndWriting() override {
    if (ended_) return;
    ended_ = true;
    ERR_clear_error();
    if (problem().empty() && SSL_is_init_finished(ssl_.get())) {
      (void)SSL_shutdown(ssl_.get());
      (void)Flush();
    }
    ERR_clear_error();
    shutdown(descriptor(), SHUT_WR);
  }

  bool backlog() const override { return out_begin_ < out_.size(); }
  short events(bool reads, bool writes) const override {
    if (!connected_) return POLLOUT;
    if (!SSL_is_init_finished(ssl_.get())) return events_of(true, false);
    return events_of(reads, writes);
  }
  short events_of(bool reads, bool writes) const {
    return static_cast<short>((reads ? POLLIN : 0) | (writes || backlog() ? POLLOUT : 0));
  }

  // OpenSSL's side: ciphertext.
  void Put(const char* data, int length) { out_.insert(out_.end(), data, data + length); }

  int Get(BIO* bio, char* data, int length) {
    if (in_begin_ == in_end_) {
      if (in_.empty()) in_.resize(kBlock);
      const ssize_t got = recv(descriptor(), in_.data(), in_.size(), 0);
      if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
          BIO_set_retry_read(bio);
          return -1;
        }
        (void)Closed(got == 0 ? "it closed the connection"
                              : "the connection broke: " + ErrnoText(errno));
        return got == 0 ? 0 : -1;
      }
      in_begin_ = 0;
      in_end_ = static_cast<size_t>(got);
    }
    const size_t taken = std::min(static_cast<size_t>(length), in_end_ - in_begin_);
    std::memcpy(data, in_.data() + in_begin_, taken);
    in_begin_ += taken;
    return static_cast<int>(taken);
  }

 private:
  // Sends what it can of what is encrypted. False if the connection is broken.
  bool Flush() {
    while (backlog()) {
      const ssize_t sent =
          send(descriptor(), out_.data() + out_begin_, out_.size() - out_begin_, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)
          return true;
        (void)Closed("the connection broke: " + ErrnoText(errno));
        return false;
      }
      out_begin_ += static_cast<size_t>(sent);
    }
    out_.clear();
    out_begin_ = 0;
    return true;
  }

  // What a call that did not succeed means.
  Moved Outcome(int code) {
    const int error = SSL_get_error(ssl_.get(), code);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {};
    if (error == SSL_ERROR_ZERO_RETURN) return Closed("it closed the connection");
    if (error == SSL_ERROR_SYSCALL) return Closed("the connection broke");
    const long verified = SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK)
      return Closed("its certificate is not trusted: " +
                    std::string(X509_verify_cert_error_string(verified)));
    return Closed("TLS: " + WhatOpenSslSays());
  }

  std::shared_ptr<const Tls::Settings> settings_;
  std::unique_ptr<SSL, Free> ssl_;
  bool connected_ = false, ended_ = false;
  std::vector<char> out_, in_;
  std::vector<std::byte> record_;
  size_t out_begin_ = 0, in_begin_ = 0, in_end_ = 0;
};

TlsChannel& ChannelOf(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

int PutBlock(BIO* bio, const char* data, int length) {
  BIO_clear_retry_flags(bio);
  ChannelOf(bio).Put(data, length);
  return length;
}
int GetBlock(BIO* bio, char* data, int length) {
  BIO_clear_retry_flags(bio);
  return ChannelOf(bio).Get(bio, data, length);
}
long ControlBlock(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* BlockMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "blocks over a socket");
    RAMET_CHECK(made != nullptr && BIO_meth_set_write(made, PutBlock) == 1 &&
                BIO_meth_set_read(made, GetBlock) == 1 &&
                BIO_meth_set_ctrl(made, ControlBlock) == 1);
    return made;
  }();
  return method;
}

// Nobody is there to ask.
int NoPassword(char*, int, int, void*) { return 0; }

Error Wrong(const std::string& file, const std::string& what) {
  return IoError(file + ": " + what + " (" + WhatOpenSslSays() + ").");
}

}  // namespace

struct Tls::Settings {
  std::unique_ptr<SSL_CTX, Free> context;
};

Result<Tls> Tls::Load(const std::string& ca_file, const std::string& cert_file,
                      const std::string& key_file) {
  ERR_clear_error();
  auto settings = std::make_shared<Settings>();
  settings->context.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* context = settings->context.get();
  RAMET_CHECK(context != nullptr);
  // The fastest first; all of them are sound.
  RAMET_CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_ciphersuites(context,
                                       "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                       "TLS_CHACHA20_POLY1305_SHA256") == 1);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_default_passwd_cb(context, NoPassword);
  if (SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) != 1)
    return Wrong(ca_file, "not a PEM file of the authority's certificates");
  if (SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1)
    return Wrong(cert_file, "not a PEM file of a certificate");
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1)
    return Wrong(key_file, "not a PEM file of the key, without a password, to " + cert_file);
  return Tls(std::move(settings));
}

std::unique_ptr<Channel> Tls::MakeChannel(Descriptor socket, bool dials) const {
  return std::make_unique<TlsChannel>(std::move(socket), settings_, settings_->context.get(),
                                      dials);
}

}  // namespace ramet
