/** Nothing comes in, and what goes out is known. */
import { at, breaking, list, type Assertion, type StackView } from './assertion.ts';
import type { JsonObject } from '../../support/packaged-stack.ts';

const group = 'AWS::EC2::SecurityGroup';

/** Rules that let something in, in groups and on their own. */
function inbound(stack: StackView): { readonly where: string; readonly rule: JsonObject }[] {
  return [
    ...stack.all(group).flatMap(([id, { SecurityGroupIngress }]) => list(SecurityGroupIngress).map((rule) => ({ where: id, rule: rule as JsonObject }))),
    ...stack.all('AWS::EC2::SecurityGroupIngress').map(([, rule]) => ({ where: String(rule['GroupId']), rule })),
  ];
}

/** The one way in: workers reach the interface endpoints of AWS's services, over TLS. */
function isEndpointRule(stack: StackView, { where, rule }: ReturnType<typeof inbound>[number]): boolean {
  const name = stack.all(group).find(([id]) => where.startsWith(id))?.[0] ?? '';
  const endpointGroups = stack.all('AWS::EC2::VPCEndpoint').flatMap(([, { SecurityGroupIds }]) => list(SecurityGroupIds));
  const own = endpointGroups.some((id) => String(id).startsWith(`${name}.`) || id === name);
  const from = String(rule['SourceSecurityGroupId'] ?? '');
  return own && from !== '' && stack.all(group).some(([id]) => from.startsWith(id) && id !== name) && rule['FromPort'] === 443 && rule['ToPort'] === 443 && rule['CidrIp'] === undefined;
}

export const network: readonly Assertion[] = [
  {
    holds: 'no rule lets anything in, but workers into the group of the interface endpoints',
    problems: (stack) => inbound(stack).filter((each) => !isEndpointRule(stack, each)).map(({ where, rule }) => `${where} lets in ${JSON.stringify(rule)}`),
    mistakes: [breaking(group, (properties) => Object.assign(properties, { SecurityGroupIngress: [{ IpProtocol: 'tcp', FromPort: 443, ToPort: 443, CidrIp: '0.0.0.0/0' }] }))],
  },
  {
    holds: 'every group says what goes out, and that is TLS and names only',
    problems: (stack) => stack.all(group).flatMap(([id, { SecurityGroupEgress }]) => {
      const rules = list(SecurityGroupEgress).map((rule) => `${String(at(rule, 'IpProtocol'))}/${String(at(rule, 'FromPort'))}-${String(at(rule, 'ToPort'))}`);
      // A group without rules for it lets everything out.
      return rules.length === 0 ? [`${id} lets everything out`] : rules.filter((rule) => !['tcp/443-443', 'udp/53-53', 'tcp/53-53'].includes(rule) && !nowhere(list(SecurityGroupEgress))).map((rule) => `${id} lets out ${rule}`);
    }),
    mistakes: [breaking(group, (properties) => delete properties['SecurityGroupEgress'])],
  },
  {
    holds: 'an own VPC has subnets in two zones or more, S3 over a gateway endpoint, and no NAT to pay for',
    problems: (stack) => stack.all('AWS::EC2::VPC').flatMap(([id]) => {
      const zones = new Set(stack.all('AWS::EC2::Subnet').map(([, { AvailabilityZone }]) => AvailabilityZone));
      const gateways = stack.all('AWS::EC2::VPCEndpoint').filter(([, { ServiceName, VpcEndpointType }]) => VpcEndpointType === 'Gateway' && String(ServiceName).endsWith('.s3'));
      return [
        ...(zones.size >= 2 ? [] : [`${id} has subnets in ${zones.size} zone`]),
        ...(gateways.length === 1 ? [] : [`${id} reaches S3 by ${gateways.length} gateway endpoints`]),
        ...stack.all('AWS::EC2::NatGateway').map(([nat]) => `${nat} costs money by the hour`),
      ];
    }),
    mistakes: [
      breaking('AWS::EC2::VPCEndpoint', (properties) => delete properties['VpcEndpointType'], (_, properties) => properties['VpcEndpointType'] === 'Gateway'),
      ({ Resources }) => {
        const subnets = Object.values(Resources).filter(({ Type }) => Type === 'AWS::EC2::Subnet');
        for (const { Properties } of subnets) Properties['AvailabilityZone'] = 'eu-west-1a';
        return subnets.length > 0;
      },
    ],
  },
];

/** The customary way to write "nothing": a rule to an address that leads nowhere. */
function nowhere(rules: readonly unknown[]): boolean {
  return rules.length === 1 && JSON.stringify(rules[0]).includes('127.0.0.1/32');
}
