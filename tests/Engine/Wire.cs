using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>A way to Postgres that can be cut so that only the client notices: the server goes on with what it was told.</summary>
internal sealed class Wire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<int, (TcpClient Client, TcpClient Server)> _pairs = new();
    private readonly NpgsqlConnectionStringBuilder _address;
    private readonly string _host;
    private readonly int _port;
    private readonly Task _accepting;

    public Wire(string postgres)
    {
        _address = new NpgsqlConnectionStringBuilder(postgres);
        (_host, _port) = (_address.Host!, _address.Port);
        _listener.Start();
        (_address.Host, _address.Port) = ("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port);
        _accepting = AcceptAsync();
    }

    /// <summary>Leads through here.</summary>
    public string ConnectionString => _address.ConnectionString;

    /// <summary>The client of the connection that the server sees coming from this port loses it.</summary>
    public void Cut(int port) => _pairs[port].Client.Close();

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
        foreach (var (client, server) in _pairs.Values)
        {
            client.Dispose();
            server.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync();
                var server = new TcpClient();
                await server.ConnectAsync(_host, _port);
                (client.NoDelay, server.NoDelay) = (true, true);
                _pairs[((IPEndPoint)server.Client.LocalEndPoint!).Port] = (client, server);
                _ = CopyAsync(client, server, () => { });
                _ = CopyAsync(server, client, client.Close);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return; // stopped
        }
    }

    private static async Task CopyAsync(TcpClient from, TcpClient to, Action over)
    {
        try
        {
            await from.GetStream().CopyToAsync(to.GetStream());
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or SocketException)
        {
            // One side is gone, which is what this is for.
        }

        over();
    }
}
