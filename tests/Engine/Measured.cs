using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

/// <summary>What the instruments of one host say from now on: sums of counters, counts of histograms, the last word of what is observed.</summary>
internal sealed class Measured : IDisposable
{
    private readonly Dictionary<(string Name, string Labels), double> _values = [];
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();

    public Measured(IHost host)
    {
        var factory = host.Services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Scope == factory && instrument.Meter.Name.StartsWith("Jobs.", StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<int>((i, value, labels, _) => Note(i, value, labels));
        _listener.SetMeasurementEventCallback<long>((i, value, labels, _) => Note(i, value, labels));
        _listener.SetMeasurementEventCallback<double>((i, value, labels, _) => Note(i, value, labels));
        _listener.Start();
    }

    /// <summary>Of the one series with these labels, written as "queue=default state=queued" in the order of their names; 0 if it has said nothing.</summary>
    public double this[string name, string labels = ""]
    {
        get
        {
            _listener.RecordObservableInstruments();
            lock (_gate)
            {
                return _values.GetValueOrDefault((name, labels));
            }
        }
    }

    public Task SeeAsync(string name, string labels, double value) => Eventually.SeeAsync(() => Task.FromResult(this[name, labels]), v => v == value, $"{name} of {labels} is {value}", ToString);

    public override string ToString()
    {
        lock (_gate)
        {
            return string.Concat(_values.Select(v => $"\n  {v.Key.Name} {v.Key.Labels} = {v.Value}"));
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        var text = string.Join(' ', labels.ToArray().OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key.Split('.')[^1]}={l.Value}"));
        lock (_gate)
        {
            var before = _values.GetValueOrDefault((instrument.Name, text));
            _values[(instrument.Name, text)] = instrument.IsObservable ? value : instrument is Histogram<double> ? before + 1 : before + value;
        }
    }
}
