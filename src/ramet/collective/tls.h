// Channels under TLS 1.3, with certificates as files.
//
// Both sides must show a certificate of the same authority. Names in certificates are not looked
// at: members are known by address, which changes; that is Dask's default, too.
#pragma once

#include <memory>
#include <string>

#include "ramet/collective/channel.h"

namespace ramet {

class Tls {
 public:
  struct Settings;  // OpenSSL's

  // PEM files: the authority's certificates, the own one with what leads to the authority, and its
  // key (without a password). An error names the file that is wrong.
  static Result<Tls> Load(const std::string& ca_file, const std::string& cert_file,
                          const std::string& key_file);

  std::unique_ptr<Channel> MakeChannel(Descriptor socket, bool dials) const;

 private:
  explicit Tls(std::shared_ptr<const Settings> settings) : settings_(std::move(settings)) {}
  std::shared_ptr<const Settings> settings_;
};

}  // namespace ramet
