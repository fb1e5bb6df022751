using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests;

/// <summary>How instruments are called in Prometheus, by the rules of the exporter: dots are underscores, the unit and the word for a counter stand at the end.</summary>
internal static class PrometheusNames
{
    /// <summary>All instruments of the platform in a host that has every role.</summary>
    public static List<Instrument> Instruments(IServiceProvider services)
    {
        _ = services.GetServices<IHostedService>().ToList();
        _ = services.GetRequiredService<IJobClient>();
        var factory = services.GetRequiredService<IMeterFactory>();
        var found = new List<Instrument>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (JobsTelemetry.Meters.Contains(instrument.Meter.Name) && instrument.Meter.Scope == factory)
            {
                found.Add(instrument);
            }
        };
        listener.Start();
        return found;
    }

    public static string Of(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_');
        name = instrument.Unit == "s" ? name + "_seconds" : name;
        return Kind(instrument) == "counter" ? name + "_total" : name;
    }

    /// <summary>Every series name of it.</summary>
    public static IEnumerable<string> Series(Instrument instrument) => Of(instrument) is var name && Kind(instrument) == "histogram" ? [$"{name}_bucket", $"{name}_sum", $"{name}_count"] : [name];

    /// <summary>As the dictionary calls it.</summary>
    public static string Kind(Instrument instrument) => instrument switch
    {
        Counter<long> => "counter",
        Histogram<double> => "histogram",
        _ when instrument.GetType().Name.StartsWith("Observable", StringComparison.Ordinal) => "gauge",
        _ => throw new InvalidOperationException($"{instrument.Name} is of a kind that has no name in Prometheus here: {instrument.GetType()}"),
    };
}
