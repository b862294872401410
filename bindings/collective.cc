// Members of a group that trains together: their connections.
#include "collective.h"

#include <nanobind/stl/unique_ptr.h>

#include "gil.h"
#include "interrupt.h"
#include "module.h"
#include "ramet/collective/comm.h"
#include "ramet/collective/local.h"
#include "ramet/collective/tcp.h"

namespace ramet::bindings {
namespace {

void Require(bool fits, const std::string& message) {
  if (!fits) Raise(PyExc_ValueError, message);
}

struct PyListener {
  Listener listener;
};

class Connected final : public PyCollective {
 public:
  explicit Connected(const std::function<std::unique_ptr<Collective>(std::atomic<bool>&)>& make) {
    collective_ = make(stop_);
  }
};

// Calls Python's functions with the GIL, for an exchange that runs without.
class PyCommCollective final : public PyCollective {
 public:
  PyCommCollective(size_t rank, size_t size, nb::callable send, nb::callable receive)
      : send_(std::move(send)), receive_(std::move(receive)) {
    Require(size >= 1 && rank < size, "rank must be at least 0 and less than size.");
    collective_ =
        JoinCarried(rank, size,
                    {.send = [this](size_t to, Bytes message) { return Send(to, message); },
                     .receive = [this](size_t from) { return Receive(from); }},
                    stop_);
  }
  // Here, where what it says its good-byes with is still there.
  ~PyCommCollective() override { collective_.reset(); }

 private:
  // Its last words, without the way there.
  static Error Raised(const nb::python_error& error) {
    return IoError(nb::cast<std::string>(nb::str(error.type().attr("__name__"))) + ": " +
                   nb::cast<std::string>(nb::str(error.value())));
  }

  Status Send(size_t to, Bytes message) {
    return WithGil([&]() -> Status {
      try {
        send_(to, nb::bytes(message.data(), message.size()));
      } catch (const nb::python_error& error) {
        return Raised(error);
      }
      return {};
    });
  }

  Result<std::optional<Message>> Receive(size_t from) {
    return WithGil([&]() -> Result<std::optional<Message>> {
      try {
        const nb::object answer = receive_(from);
        if (answer.is_none()) return std::optional<Message>();
        Py_buffer view;
        if (PyObject_GetBuffer(answer.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
        Message message(static_cast<size_t>(view.len));
        if (view.len > 0) std::memcpy(message.data(), view.buf, message.size());
        PyBuffer_Release(&view);
        return std::optional<Message>(std::move(message));
      } catch (const nb::python_error& error) {
        return Raised(error);
      }
    });
  }

  nb::callable send_, receive_;
};

nb::list AllGatherBytes(PyCollective& self, const nb::bytes& own) {
  Collective& collective = self.get();
  const Bytes message(reinterpret_cast<const std::byte*>(own.c_str()), own.size());
  std::vector<Message> incoming;
  bool done = false;
  {
    const ReleaseGil without_gil;
    done = ramet::internal::SendToAll(collective, message, incoming);
  }
  if (!done) Raise(PyExc_ConnectionError, collective.status().error().message);
  nb::list all;
  for (size_t member = 0; member < incoming.size(); ++member) {
    if (member == collective.rank())
      all.append(own);
    else
      all.append(nb::bytes(incoming[member].data(), incoming[member].size()));
  }
  return all;
}

nb::dict UseOf(PyCollective& self) {
  const CollectiveUse use = self.get().use();
  nb::dict figures;
  figures["exchanges"] = use.exchanges;
  figures["bytes_sent"] = use.bytes_sent;
  figures["bytes_received"] = use.bytes_received;
  figures["seconds"] = use.seconds;
  return figures;
}

void Stop(PyCollective& self) {
  const ReleaseGil without_gil;
  self.stop() = true;
  self.get().Fail(CancelledError("training was stopped"), static_cast<int>(self.get().rank()));
}

ConnectOptions ToOptions(size_t rank, const nb::sequence& addresses, const nb::bytes& group,
                         double connect_timeout, double silent_after) {
  ConnectOptions options;
  options.rank = rank;
  for (nb::handle address : addresses) {
    auto [host, port] = nb::cast<std::pair<std::string, int64_t>>(address);
    Require(port >= 1 && port <= 65535,
            host + ": port " + std::to_string(port) + " is not from 1 to 65535.");
    options.addresses.push_back({std::move(host), static_cast<uint16_t>(port)});
  }
  const std::string members = std::to_string(options.addresses.size());
  Require(
      rank < options.addresses.size(),
      "rank is " + std::to_string(rank) + ", but there are addresses of " + members + " members.");
  Require(group.size() >= 16 && group.size() <= 64,
          "group has " + std::to_string(group.size()) +
              " bytes, but must have 16 to 64 that nobody can guess (os.urandom).");
  options.secret.assign(group.c_str(), group.size());
  Require(connect_timeout > 0 && connect_timeout <= 86'400,
          "connect_timeout must be above 0 and at most 86400 seconds.");
  Require(silent_after >= 0.1 && silent_after <= 86'400,
          "silent_after must be from 0.1 to 86400 seconds.");
  options.connect_timeout = connect_timeout;
  options.silent_after = silent_after;
  return options;
}

std::unique_ptr<PyCollective> ConnectAll(PyListener& self, size_t rank,
                                         const nb::sequence& addresses, const nb::bytes& group,
                                         double connect_timeout, double silent_after) {
  const ConnectOptions options = ToOptions(rank, addresses, group, connect_timeout, silent_after);
  Require(self.listener.open(), "the listener is closed.");
  Interruptible run{Context()};
  auto made = run.Wait([&](const Context& stoppable) {
    return std::make_unique<Connected>(
        [&](std::atomic<bool>& stop) { return Connect(stoppable, self.listener, options, stop); });
  });
  run.RaiseIfStopped();
  const Status status = made->get().status();
  if (status.ok()) return made;
  // Which member, for a caller that can do without.
  const nb::object error = nb::borrow(PyExc_OSError)(status.error().message);
  error.attr("failed_member") = made->get().failed_member();
  PyErr_SetObject(PyExc_OSError, error.ptr());
  throw nb::python_error();
}

nb::list LocalMembers(size_t size) {
  Require(size >= 1, "size must be at least 1.");
  LocalGroup group(size);
  nb::list members;
  for (size_t rank = 0; rank < size; ++rank)
    members.append(nb::cast(std::unique_ptr<PyCollective>(std::make_unique<Connected>(
        [&](std::atomic<bool>& stop) { return group.Join(rank, stop); }))));
  return members;
}

void AddMembers(nb::module_& module) {
  nb::class_<PyCollective>(module, "Collective")
      .def_prop_ro("rank", [](PyCollective& self) { return self.get().rank(); })
      .def_prop_ro("size", [](PyCollective& self) { return self.get().size(); })
      .def_prop_ro("failed", [](PyCollective& self) { return !self.get().status().ok(); })
      .def_prop_ro("error",
                   [](PyCollective& self) {
                     const Status status = self.get().status();
                     return status.ok() ? std::string() : status.error().message;
                   })
      .def_prop_ro("failed_member", [](PyCollective& self) { return self.get().failed_member(); })
      .def_prop_ro("use", UseOf)
      .def("stop", Stop)
      .def("all_gather", AllGatherBytes, nb::arg("own"));
  nb::class_<PyCommCollective, PyCollective>(module, "CommCollective")
      .def(nb::init<size_t, size_t, nb::callable, nb::callable>(), nb::arg("rank"), nb::arg("size"),
           nb::arg("send"), nb::arg("receive"));
}

}  // namespace

PyCollective::~PyCollective() {
  // To leave takes a moment, until the others have read all.
  const ReleaseGil without_gil;
  collective_.reset();
}

void AddCollective(nb::module_& module) {
  AddMembers(module);
  nb::class_<Tls>(module, "Tls")
      .def(
          "__init__",
          [](Tls* self, const std::string& ca_file, const std::string& cert_file,
             const std::string& key_file) {
            new (self) Tls(ValueOrRaise(Tls::Load(ca_file, cert_file, key_file)));
          },
          nb::arg("ca_file"), nb::arg("cert_file"), nb::arg("key_file"));
  nb::class_<PyListener>(module, "Listener")
      .def(
          "__init__",
          [](PyListener* self, std::string host, int64_t port, const Tls* tls, bool local) {
            Require(port >= 0 && port <= 65535, "port must be from 0 to 65535.");
            new (self) PyListener{ValueOrRaise(
                Listener::Open({std::move(host), static_cast<uint16_t>(port)},
                               tls == nullptr ? std::nullopt : std::optional(*tls), local))};
          },
          nb::arg("host") = "0.0.0.0", nb::arg("port") = 0, nb::kw_only(),
          nb::arg("tls").none() = nb::none(), nb::arg("local") = true)
      .def_prop_ro("port", [](const PyListener& self) { return self.listener.port(); })
      .def("close", [](PyListener& self) { self.listener.Close(); });
  module.def("connect", ConnectAll, nb::arg("listener"), nb::kw_only(), nb::arg("rank"),
             nb::arg("addresses"), nb::arg("group"), nb::arg("connect_timeout") = 30.0,
             nb::arg("silent_after") = 10.0);
  module.def("local_group", LocalMembers, nb::arg("size"));
}

}  // namespace ramet::bindings
