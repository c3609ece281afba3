/** The repository of the worker's image. CloudFormation doesn't delete one that has images. */
import { DeleteRepositoryCommand, DescribeRepositoriesCommand, ListImagesCommand, RepositoryNotFoundException, type ECRClient } from '@aws-sdk/client-ecr';
import { countText } from '../text.ts';
import type { Leftover } from './leftover.ts';

export async function leftoverRepository(ecr: ECRClient, name: string): Promise<Leftover[]> {
  const repositoryName = `${name}-worker`;
  try {
    await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] }));
  } catch (error) {
    if (error instanceof RepositoryNotFoundException) return [];
    throw error;
  }
  const { imageIds = [], nextToken } = await ecr.send(new ListImagesCommand({ repositoryName, maxResults: 1000 }));
  const detail = `${nextToken === undefined ? '' : 'more than '}${countText(imageIds.length, 'image')}`;
  return [
    {
      kind: 'repository',
      name: repositoryName,
      detail,
      remove: async () => {
        await ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
      },
    },
  ];
}
