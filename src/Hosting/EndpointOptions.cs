using System.Net;
using Jobs.Coordination;

namespace Jobs;

/// <summary>
/// Where a worker or a scheduler can be looked at over HTTP. Also bound from the configuration section <c>Jobs:Endpoint</c> (<c>Port</c>, <c>Address</c>); what code says wins.
/// </summary>
public sealed class EndpointOptions
{
    /// <summary>The port that exporters of OpenTelemetry use for Prometheus: 9464.</summary>
    public const int DefaultPort = 9464;

    private int? _port;
    private string? _address;

    /// <summary>Default 9464; 0 to 65535. 0 takes a port that is free; the log says which.</summary>
    public int Port
    {
        get => _port ?? DefaultPort;
        set => _port = value;
    }

    /// <summary>
    /// The IP address to listen on. Default <c>*</c>: all of the machine's. What is told there is no secret of your jobs' contents, but it names queues and types, and nobody is
    /// asked who they are: keep it inside, or set it to <c>127.0.0.1</c>.
    /// </summary>
    public string Address
    {
        get => _address ?? "*";
        set => _address = value;
    }

    internal IPAddress? Ip => Address == "*" ? IPAddress.IPv6Any : IPAddress.TryParse(Address, out var ip) ? ip : null;

    /// <summary>Adds what the configuration says where the code says nothing.</summary>
    internal EndpointOptions Complete(Settings settings)
    {
        _port ??= settings.OptionalNumber("Port");
        _address ??= settings.Text("Address", "*");
        return this;
    }

    internal IEnumerable<string> Faults()
    {
        if (Port is < 0 or > 65535)
        {
            yield return $"EndpointOptions: Port {Port} is not allowed; use 0 to 65535 (default {DefaultPort}).";
        }

        if (Ip is null)
        {
            yield return $"EndpointOptions: Address \"{Address}\" is not an IP address; use * for all of the machine's, or one of them, for example 127.0.0.1.";
        }
    }
}
