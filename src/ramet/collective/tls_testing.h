// Certificates for tests, made on the spot.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "ramet/collective/tls.h"

namespace ramet::testing {

// A folder of its own that is gone afterwards.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "ramet-XXXXXX").string();
    RAMET_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// An authority, and certificates that it signs; written as PEM files.
class Authority {
 public:
  explicit Authority(const std::string& name) : key_(NewKey()) {
    certificate_ = Make(name, key_.get(), true);
    Write(folder_.File("ca.pem"), certificate_.get());
  }
  std::string ca_file() const { return folder_.File("ca.pem"); }

  // NAME.pem and NAME.key; `seconds`: how long it is good, from an hour ago.
  struct Files {
    std::string cert, key;
  };
  Files Sign(const std::string& name, long seconds = 7200) const {
    const Key key = NewKey();
    const Certificate certificate = Make(name, key.get(), false, seconds);
    const Files files{folder_.File(name + ".pem"), folder_.File(name + ".key")};
    Write(files.cert, certificate.get());
    std::FILE* file = std::fopen(files.key.c_str(), "w");
    RAMET_CHECK(file != nullptr &&
                PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(file);
    return files;
  }
  Tls Identity(const std::string& name) const {
    const Files files = Sign(name);
    return *Tls::Load(ca_file(), files.cert, files.key);
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;

  static Key NewKey() { return Key(EVP_EC_gen("P-256")); }

  Certificate Make(const std::string& name, EVP_PKEY* key, bool authority,
                   long seconds = 7200) const {
    static long serial = 1;
    Certificate made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds - 3600);
    X509_set_pubkey(made.get(), key);
    X509_NAME* subject = X509_get_subject_name(made.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made.get(),
                         authority ? subject : X509_get_subject_name(certificate_.get()));
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints,
                                                    authority ? "critical,CA:TRUE" : "CA:FALSE");
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
    RAMET_CHECK(X509_sign(made.get(), authority ? key : key_.get(), EVP_sha256()) > 0);
    return made;
  }

  static void Write(const std::string& path, X509* certificate) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    RAMET_CHECK(file != nullptr && PEM_write_X509(file, certificate) == 1);
    std::fclose(file);
  }

  Folder folder_;
  Key key_;
  Certificate certificate_;
};

}  // namespace ramet::testing
