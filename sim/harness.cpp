// Whole runs of a verilated design in one call, each from a reset; sim/backend.py (Plan) says what a cycle does.
// model.h is made for each design: MODEL_PORTS, model_ports(), model_error() and model_select().

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "Vmodel.h"

namespace {

// Where a port's signals are. Verilator keeps any signal as little-endian words with zeros above
// its width, and tdata is whole bytes: its bytes can be copied as they are.
struct Port {
    bool is_input;
    uint8_t *data;
    std::size_t bytes;
    CData *last;  // null where the port has none
    CData *valid;
    CData *ready;
};

template <typename Signal> uint8_t *bytes_of(Signal &signal) {
    return reinterpret_cast<uint8_t *>(&signal);
}

}  // namespace

#include "model.h"

// As sim/verilator.py declares it to ctypes.
struct Stream {
    const uint8_t *stalls;  // of each cycle, one of every MODEL_PORTS
    int64_t due;  // transfers
    uint8_t *data;
    uint8_t *last;
    const int64_t *after[MODEL_PORTS];  // null where it does not wait for that port
    int64_t moved, first, final, total;
};

enum Outcome { DONE, LATE, SURPLUS, UNHELD, FALLEN, FATAL };

// Verilator's own would end the process.
void vl_fatal(const char *, int, const char *, const char *message) {
    throw std::runtime_error(message);
}

namespace {

struct Limits {
    int64_t limit, reset, watch, period, cut, selected;
};

// Where a run has come to, or failed.
struct Place {
    int64_t run, port, cycle;
};

void note(Stream &stream, int64_t cycle) {
    if (!stream.moved) stream.first = cycle;
    ++stream.moved;
    stream.final = cycle;
    stream.total += cycle;
}

bool may_offer(const Stream &stream, const Stream *streams) {
    if (stream.moved == stream.due) return false;
    for (int other = 0; other < MODEL_PORTS; ++other)
        if (stream.after[other] && streams[other].moved < stream.after[other][stream.moved])
            return false;
    return true;
}

void fill(Port &port) {
    std::memset(port.data, 0xff, port.bytes);
    if (port.last) *port.last = 1;
    *port.valid = 0;
}

Outcome run(Vmodel *model, bool first, Stream *streams, const Limits &limits, Place &place,
            int64_t &error) {
    Port ports[MODEL_PORTS];
    const CData *const error_output = model_error(*model);
    model_ports(*model, ports);
    model_select(*model, limits.selected);
    // Whether a port offers, or has offered, what is not taken; whether an input is filled.
    bool waits[MODEL_PORTS] = {}, idle[MODEL_PORTS];

    const auto fall = [&] {
        model->aclk = 0;
        model->eval();
    };
    const auto rise = [&] {
        model->aclk = 1;
        model->eval();
    };
    const auto calm = [&] {
        for (int index = 0; index < MODEL_PORTS; ++index) {
            idle[index] = true;
            if (ports[index].is_input) fill(ports[index]);
            else *ports[index].ready = 0;
        }
    };
    if (first) calm();
    model->aresetn = 0;
    for (int64_t count = 0; count < limits.reset; ++count) {
        fall();
        rise();
        calm();
    }
    model->aresetn = 1;

    int unfinished = 0;  // outputs
    for (int index = 0; index < MODEL_PORTS; ++index)
        unfinished += !ports[index].is_input && streams[index].due;
    error = -1;
    int64_t end = unfinished || limits.cut ? limits.limit : limits.watch;
    int64_t &cycle = place.cycle;
    for (cycle = 0; cycle < end; ++cycle) {
        for (int index = 0; index < MODEL_PORTS; ++index) {
            Port &port = ports[index];
            Stream &stream = streams[index];
            const bool stalled = stream.stalls[cycle % limits.period * MODEL_PORTS];
            if (!port.is_input) {
                *port.ready = !stalled;
            } else if (waits[index]) {
                continue;
            } else if (!stalled && may_offer(stream, streams)) {
                std::memcpy(port.data, stream.data + stream.moved * port.bytes, port.bytes);
                if (port.last) *port.last = stream.last[stream.moved];
                *port.valid = 1;
                waits[index] = true;
                idle[index] = false;
            } else if (!idle[index]) {
                fill(port);
                idle[index] = true;
            }
        }
        fall();

        if (error_output) {
            if (error >= 0 && !*error_output) return FALLEN;
            if (error < 0 && *error_output) error = cycle;
        }
        for (int index = 0; index < MODEL_PORTS; ++index) {
            const Port &port = ports[index];
            Stream &stream = streams[index];
            if (port.is_input) {
                if (waits[index] && *port.ready) {
                    waits[index] = false;
                    note(stream, cycle);
                }
                continue;
            }
            place.port = index;
            // What is offered is kept where it will stay, to compare it while it waits.
            uint8_t *const data = stream.data + stream.moved * port.bytes;
            uint8_t *const last = stream.last + stream.moved;
            if (waits[index] && !(*port.valid && !std::memcmp(data, port.data, port.bytes)
                                  && (!port.last || *last == *port.last)))
                return UNHELD;
            waits[index] = *port.valid && !*port.ready;
            if (*port.valid) {
                if (stream.moved == stream.due) return SURPLUS;
                std::memcpy(data, port.data, port.bytes);
                *last = port.last ? *port.last : 0;
                if (!waits[index]) {
                    note(stream, cycle);
                    if (stream.moved == stream.due && !--unfinished && !limits.cut)
                        end = cycle + 1 + limits.watch;
                }
            }
        }
        rise();
    }
    return unfinished && !limits.cut ? LATE : DONE;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int exactmac_run(
    int seed, int64_t runs, Stream *streams, const Limits *limits, int64_t *errors, Place *place,
    char *message, std::size_t size) {
    try {
        VerilatedContext context;
        context.randReset(2);  // what has no initial value begins with a random one
        context.randSeed(seed);
        const auto model = std::make_unique<Vmodel>(&context);
        int64_t &index = place->run;
        for (index = 0; index < runs; ++index) {
            const Outcome outcome = run(model.get(), !index, streams + index * MODEL_PORTS,
                                        limits[index], *place, errors[index]);
            if (outcome != DONE) return outcome;
        }
        return DONE;
    } catch (const std::exception &error) {
        std::strncpy(message, error.what(), size - 1);
        return FATAL;
    }
}
