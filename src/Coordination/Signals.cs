using Microsoft.Extensions.Logging;

namespace Jobs.Coordination;

/// <summary>
/// What the processes of an installation tell each other at once, heard on the session's own connection (LISTEN). A signal is a word, with an argument behind a space for some:
/// "cancel", "queue NAME", "drain SESSION", "ended ID,ID,...". It is a hint only: signals of an outage are lost, and behind a transaction pooler there are none. Whoever
/// listens here reads the truth anyway: when <see cref="Reconnected"/> is heard, and by the clock: each second while <see cref="Listening"/> is false.
/// </summary>
internal sealed class Signals(ILogger<Signals> log)
{
    /// <summary>The word that is heard when the connection is there again after an outage: what was said meanwhile was not heard.</summary>
    public const string Reconnected = "reconnected";

    private readonly Lock _gate = new();
    private volatile Listener[] _listeners = [];
    private volatile bool _listening;
    private bool _before;

    /// <summary>Signals are heard now. False before the host has started, in an outage, and without advisory locks.</summary>
    public bool Listening => _listening;

    /// <summary>Calls back with what stands behind the word, until disposed. Called on the session's connection while it reads: be quick, and use another connection for more.</summary>
    public IDisposable On(string word, Action<string> heard)
    {
        var listener = new Listener(this, word, heard);
        lock (_gate)
        {
            _listeners = [.. _listeners, listener];
        }

        return listener;
    }

    /// <summary>One payload has arrived. Nobody who hears it can break the connection that it came by.</summary>
    public void Hear(string payload)
    {
        var end = payload.IndexOf(' ', StringComparison.Ordinal);
        var (word, argument) = end < 0 ? (payload, "") : (payload[..end], payload[(end + 1)..]);
        foreach (var listener in _listeners)
        {
            if (listener.Word == word)
            {
                try
                {
                    listener.Heard(argument);
                }
                catch (Exception e)
                {
                    log.SignalFailed(word, e);
                }
            }
        }
    }

    /// <summary>The session listens on a new connection.</summary>
    public void Connected()
    {
        _listening = true;
        if (_before)
        {
            Hear(Reconnected);
        }

        _before = true;
    }

    /// <summary>Its connection is gone.</summary>
    public void Disconnected() => _listening = false;

    private sealed class Listener(Signals signals, string word, Action<string> heard) : IDisposable
    {
        public string Word => word;

        public Action<string> Heard => heard;

        public void Dispose()
        {
            lock (signals._gate)
            {
                signals._listeners = [.. signals._listeners.Where(l => l != this)];
            }
        }
    }
}
